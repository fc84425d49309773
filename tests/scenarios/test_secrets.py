"""A station that knows secrets, and whose PACS and database fail, tells none of them: no log, page, verb or ``ps``."""

import base64
import json
import os
import shutil
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest

from tests.factories import free_port, until
from tests.peers.station import StationPeer
from tests.scenarios.conftest import MakeStation
from tests.xray_triage.bundles import make_bundle

DATABASE_SECRET, PACS_SECRET, TYPED_SECRET = "kin-du-lieu-4711", "kin-pacs-0815", "kin-go-nham-1234"


@pytest.fixture
def shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with what ``ps`` shows of every pg_dump: its command line and its environment."""
    told, programs = tmp_path / "shown", tmp_path / "bin"
    programs.mkdir()
    script = f'#!/bin/sh\ncat /proc/$$/cmdline /proc/$$/environ >> {told}\nexec {shutil.which("pg_dump")} "$@"\n'
    (programs / "pg_dump").write_text(script)
    (programs / "pg_dump").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return told


def shown_of(station: StationPeer) -> str:
    """The same of the station and of all that it started."""
    found = [[*process.cmdline(), *process.environ().values()] for process in station.processes()]
    return "\n".join(word for words in found for word in words)


@pytest.fixture
def station(make_station: MakeStation, postgres_url: str, tmp_path: Path) -> StationPeer:
    """On PostgreSQL, with a PACS that is not there, and a backup folder."""
    (tmp_path / "backups").mkdir()
    more = f'[[destination]]\nname = "pacs"\nkind = "dicomweb"\nurl = "http://127.0.0.1:{free_port()}"\n'
    more += f'username = "tram"\npassword_file = "pacs.secret"\n[backup]\nfolder = "{tmp_path / "backups"}"\n'
    made = make_station(bundle=make_bundle(tmp_path / "bundle"), more=more)
    (made.folder / "pacs.secret").write_text(PACS_SECRET)
    url = postgres_url.replace("postgres@", f"postgres:{DATABASE_SECRET}@")
    text = made.config_path.read_text().replace('data_dir = "data"', f'data_dir = "data"\ndatabase = "{url}"')
    made.config_path.write_text(text)
    return made


def test_no_secret_is_told_by_log_verb_page_or_ps(station: StationPeer, shown: Path, tmp_path: Path) -> None:
    station.launch()
    until(lambda: station.status("/readyz") == 200)
    until(lambda: any((tmp_path / "backups").glob("backup-*")))
    answers = [json.dumps(station.get(path)) for path in ("/readyz", "/api/queue", "/api/model", "/api/cases")]
    answers += [station.fetch(path)[1].decode() for path in ("/metrics", "/api/openapi.json", "/")]
    login = urllib.request.Request(
        f"http://127.0.0.1:{station.web_port}/login", data=f"name={TYPED_SECRET}&password={TYPED_SECRET}".encode()
    )
    with suppress(urllib.error.HTTPError):
        urllib.request.urlopen(login, timeout=60).close()
    verbs = [("check", "--json"), ("backup", "--to", str(tmp_path / "more")), ("audit",)]
    told = [done.stdout + done.stderr for done in (station.cli(*verb) for verb in verbs)]
    answers += [shown_of(station), shown.read_text()]
    station.stop()
    assert answers[-1].count("--snapshot") == 2  # the daily one and the verb's
    assert "written and verified" in told[1]
    secrets = [DATABASE_SECRET, PACS_SECRET, TYPED_SECRET, station.token]
    secrets += [base64.b64encode(f"tram:{PACS_SECRET}".encode()).decode().rstrip("=")]
    everything = "\n".join([*told, *answers, station.log()])
    assert [secret for secret in secrets if secret in everything] == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("postgresql://", "postgres:/"),  # no URL at all
        ("postgresql://", "mysql://"),
        ("127.0.0.1:", "127.0.0.1:1"),  # nobody there, or no port
        ('name = "pacs"', 'name = "pa cs"'),
        ("reserve_gb = 0.1", "reserve_gb = "),
        ('kind = "dicomweb"\nurl = "http://', f'kind = "dicomweb"\nurl = "http://tram:{PACS_SECRET}@'),
    ],
)
def test_no_secret_is_told_when_the_configuration_is_wrong(station: StationPeer, right: str, wrong: str) -> None:
    text = station.config_path.read_text()
    assert right in text
    station.config_path.write_text(text.replace(right, wrong, 1))
    done = station.cli("cases")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert not [secret for secret in (DATABASE_SECRET, PACS_SECRET) if secret in done.stdout + done.stderr]
