"""How long certificates are valid, by files that OpenSSL made."""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dicom_router.clock import SystemClock
from tests.factories import StoppedClock
from tests.peers.certificates import Authority
from xray_triage.config.loading import ConfigError
from xray_triage.config.station import Config
from xray_triage.health.checks import CheckState
from xray_triage.station.peer_checks import station_certificates_check
from xray_triage.tls import valid_until


def by_openssl(cert: Path) -> datetime:
    told = subprocess.run(
        ["openssl", "x509", "-noout", "-enddate", "-in", cert], check=True, capture_output=True, text=True
    ).stdout
    return datetime.strptime(told.strip(), "notAfter=%b %d %H:%M:%S %Y GMT").replace(tzinfo=UTC)


@pytest.mark.parametrize("days", [-1, 1, 365, 20_000])
def test_the_end_of_a_certificate_is_what_openssl_says(tmp_path: Path, days: int) -> None:
    """Over 2049 it is written in another type."""
    cert = Authority(tmp_path).sign("me", days=days).cert
    assert valid_until(cert) == by_openssl(cert)


def test_the_first_that_ends_in_a_chain_counts(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    cert, chain = authority.sign("me", days=300).cert, tmp_path / "chain.pem"
    chain.write_text("the station:\n" + cert.read_text() + authority.ca.read_text())
    assert valid_until(chain) == by_openssl(authority.ca) < by_openssl(cert)


@pytest.mark.parametrize("spoil", ["nothing", "no PEM", "cut", "key", "gone"])
def test_what_is_no_certificate_is_said_so(tmp_path: Path, spoil: str) -> None:
    own = Authority(tmp_path).sign("me")
    text = own.cert.read_text()
    half = "\n".join([text.splitlines()[0], text.splitlines()[1], text.splitlines()[-1]])
    content = {"nothing": "", "no PEM": "cert", "cut": half, "key": own.key.read_text(), "gone": None}[spoil]
    own.cert.unlink() if content is None else own.cert.write_text(content)
    with pytest.raises(ConfigError, match=r"me\.pem"):
        valid_until(own.cert)


@pytest.mark.parametrize("place", ["listener", "web", "destination"])
def test_check_looks_at_every_certificate_of_the_station(tmp_path: Path, place: str) -> None:
    authority = Authority(tmp_path)
    long, short = (
        {"cert": own.cert, "key": own.key} for own in (authority.sign("long", days=90), authority.sign("short"))
    )
    tls = dict.fromkeys(("listener", "web", "destination"), long) | {place: short}
    pacs = {"name": "pacs", "host": "127.0.0.1", "port": 104, "ae_title": "PACS", "tls": tls["destination"]}
    config = Config.model_validate(
        {"listener": {"tls": tls["listener"]}, "web": {"tls": tls["web"]}, "destination": [pacs]}
    )
    told = station_certificates_check(config, SystemClock())
    assert (told.state, "short.pem" in told.said["en"]) == (CheckState.WARNING, True)
    late = StoppedClock(by_openssl(short["cert"]) + timedelta(seconds=1))
    assert station_certificates_check(config, late).state is CheckState.BAD
    short["cert"].write_text("spoilt")
    assert station_certificates_check(config, SystemClock()).state is CheckState.BAD
