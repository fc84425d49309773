import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from xray_triage.config.loading import ConfigError, find_config, load_config
from xray_triage.config.station import Config

PACS = '[[destination]]\nname = "pacs"\nhost = "127.0.0.1"\nae_title = "ORTHANC"\n'


@pytest.fixture
def station_toml(tmp_path: Path) -> Path:
    return tmp_path / "station.toml"


def load(path: Path, text: str) -> Config:
    path.write_text(text, encoding="utf-8")
    return load_config(path)


def test_an_empty_file_gives_a_station_on_loopback(station_toml: Path) -> None:
    config = load(station_toml, "")
    assert (config.listener.host, config.web.host) == ("127.0.0.1", "127.0.0.1")
    assert config.station.data_dir == station_toml.parent / "data"


def test_a_station_without_the_packages_that_sign_says_how_to_get_them(
    station_toml: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyhanko", None)
    with pytest.raises(ConfigError, match=r"signing: .* make install SIGN=1"):
        load(station_toml, "[signing]\nkind = 'pkcs11'\nmodule = '/usr/lib/driver.so'")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[listener]\nprot = 1", "listener.prot: unknown key 'prot'; did you mean 'port'?"),
        ("[listner]\nport = 1", "unknown key 'listner'; did you mean 'listener'?"),
        (PACS + "compresion = 'none'", "unknown key 'compresion'; did you mean 'compression'?"),
        ("[listener]\ntls = {cret = 'a'}", "did you mean 'cert'?"),
        ("[listener]\nhost = '0.0.0.0'", "nobody is named in allow"),
        ("[web]\nhost = '0.0.0.0'", "must not pass in the clear"),
        ("[web]\nhost = '0.0.0.0'\ntls = {ca = 'a'}", "give the page a certificate"),
        ("[web]\nidle_minutes = 0", "greater than or equal to 1"),
        ("[station]\ntimezone = 'Asia/Hanoi'", "station.toml: station.timezone: no time zone is called 'Asia/Hanoi'"),
        ("[station]\ntimezone = '../../../etc/passwd'", "no time zone is called"),
        (PACS + "send = ['sr', 'outlines']", "destination.0.send.1: Input should be 'originals', 'results'"),
        ("[model]\nthresholds = {pneumothrax = 0.5}", "did you mean 'pneumothorax'?"),
        ("[model]\nthresholds = {pneumothorax = 1.5}", "less than or equal to 1"),
        ("[policy]\nurgent = ['fracture']", "no finding is called 'fracture'"),
        ("[station]\nae_title = 'A TITLE THAT IS TOO LONG'", "1 to 16 plain characters"),
        ("[[destination]]\nname = 'pacs'\nhost = 'a'", "a dimse destination needs ae_title"),
        (PACS + PACS, "two destinations are called 'pacs'"),
        ("[signing]\nkind = 'pkcs11'", "signing of kind pkcs11 needs module"),
        ("[signing]\nkind = 'pkcs11'\nmodule = 'driver.so'", "no whole path"),
        ("[signing]\nkind = 'remote'\nurl = 'https://a'", "remote needs token_file and credential and chain"),
        ("[signing]\nurl = 'http://sign.example.vn'", "a PIN must not pass in the clear"),
        (
            "[orders]\nfolder = {path = 'his'}\n[[record]]\nname = 'files'\nkind = 'folder'\npath = './his/'",
            "record 'files' and orders.folder have one path",
        ),
        ("[consultation]\ndestination = 'elsewhere'", "is no [[destination]] name"),
        ("[station", "station.toml"),
    ],
)
def test_a_mistake_is_told_in_one_line_that_names_the_key(station_toml: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(station_toml, text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value).strip()


def test_all_mistakes_are_told_in_one_go_with_what_was_written(station_toml: Path) -> None:
    text = "[listener]\nprot = 1\nport = 'many'\n[web]\nidle_minutes = 0\n[station]\nlanguage = 'fr'\n"
    text += "database = 7\n"
    with pytest.raises(ConfigError) as caught:
        load(station_toml, text)
    said = str(caught.value)
    for each in (
        "'prot'",
        "not 'many'",
        "web.idle_minutes",
        "not 0",
        "station.language",
        "not 'fr'",
        "station.database",
    ):
        assert each in said, each
    assert "7" not in said.partition("station.database")[2]  # a URL there has a password
    assert "\n" not in said


def test_with_a_certificate_the_page_may_be_open_to_the_network(station_toml: Path) -> None:
    web = load(station_toml, "[web]\nhost = '0.0.0.0'\ntls = {cert = 'a', key = 'b'}\nnames = ['tram']").web
    assert (web.host, web.names, web.idle_minutes) == ("0.0.0.0", ("tram",), 30)


def test_the_environment_overrides_the_file(station_toml: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XRAY_TRIAGE__LISTENER__PORT", "4242")
    assert load(station_toml, "[listener]\nport = 11112").listener.port == 4242


def test_a_misspelt_environment_section_is_an_error(station_toml: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XRAY_TRIAGE__LISTNER__PORT", "4242")
    with pytest.raises(ConfigError, match="did you mean 'listener'"):
        load(station_toml, "")


def test_an_environment_variable_that_is_no_json_is_one_line(
    station_toml: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XRAY_TRIAGE__DESTINATION", "pacs")
    with pytest.raises(ConfigError, match=r"destination.*JSON"):
        load(station_toml, "")


def test_results_requests_and_originals_go_where_the_destinations_say(station_toml: Path) -> None:
    config = load(
        station_toml,
        PACS + 'send = ["results"]\n[[destination]]\nname = "stick"\nkind = "folder"\nurl = "file:///media/stick"\n',
    )
    assert config.destinations_for("results") == ("pacs", "stick")
    assert config.destinations_for("originals") == ("stick",)
    assert config.destination[1].path == Path("/media/stick")


def test_a_destination_may_take_single_kinds_of_results(station_toml: Path) -> None:
    config = load(station_toml, PACS + 'send = ["originals", "sr", "sc"]\n' + PACS.replace('"pacs"', '"city"'))
    assert config.result_destinations == {"sr": ("pacs", "city"), "sc": ("pacs", "city"), "gsps": ("city",)}
    assert (config.destinations_for("requests"), config.destinations_for("originals")) == (("city",), ("pacs", "city"))


@pytest.mark.parametrize(
    ("zone", "around", "offset"),
    [
        ("Asia/Ho_Chi_Minh", "UTC", "+0700"),
        ("UTC", "Asia/Ho_Chi_Minh", "+0000"),
        ("", "Asia/Tokyo", "+0900"),  # the computer's
        ("", "Nowhere/Here", "+0000"),  # the computer's business
    ],
)
def test_local_time_is_that_of_the_stations_zone(
    station_toml: Path, monkeypatch: pytest.MonkeyPatch, zone: str, around: str, offset: str
) -> None:
    monkeypatch.setenv("TZ", around)
    load(station_toml, f'[station]\ntimezone = "{zone}"')
    assert f"{datetime.now().astimezone():%z}" == offset
    child = "import datetime; print(f'{datetime.datetime.now().astimezone():%z}')"
    assert subprocess.check_output([sys.executable, "-c", child], text=True).strip() == offset


def test_requests_go_to_the_consultation_destination_when_one_is_named(station_toml: Path) -> None:
    two = PACS + PACS.replace('"pacs"', '"city"') + '[consultation]\ndestination = "city"'
    assert load(station_toml, two).destinations_for("requests") == ("city",)


def test_the_file_is_found_through_the_environment_or_the_folder(
    tmp_path: Path, station_toml: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="xray-triage init"):
        find_config(None)
    station_toml.touch()
    assert find_config(None) == Path("station.toml")
    monkeypatch.setenv("XRAY_TRIAGE_CONFIG", str(tmp_path / "absent.toml"))
    with pytest.raises(ConfigError, match="no such file"):
        find_config(None)
