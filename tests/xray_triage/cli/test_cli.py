"""The command line as a script meets it: exit status, one line of error, JSON a line."""

import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pydicom
import pytest
from PIL import Image
from rich.table import Table

from dicom_router.dicom.instance import reference_to
from tests.factories import film, film_bytes, film_file, shared_folder, until
from tests.peers.dcmtk import RunningStorescp, dciodvfy
from tests.peers.verbs import run
from tests.xray_triage.desk import said_by, unread
from xray_triage.accounts.roles import Role
from xray_triage.cases.recording import record_reading
from xray_triage.console import out, print_json
from xray_triage.simulation import phantom
from xray_triage.stores import READ_WORK, Stores, configured_stores

pytestmark = pytest.mark.slow  # a process for each verb


@pytest.fixture(scope="module")
def a_station(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which ``init`` was run, for tests that change nothing in it."""
    folder = tmp_path_factory.mktemp("station")
    run("init", "--yes", folder=folder)
    return folder


def test_read_prints_one_json_object_a_film(tmp_path: Path) -> None:
    chest = tmp_path / "chest.dcm"
    phantom.write(chest, phantom.render(seed=1, findings=("pleural_effusion",), rows=900, columns=900))
    text = tmp_path / "notes.txt"
    text.write_text("no film", encoding="utf-8")
    said = run("read", chest, text, "--json", folder=tmp_path)
    assert said.returncode == 0, said.stderr
    chest_film, no_film = map(json.loads, said.stdout.splitlines())
    assert (chest_film["file"], chest_film["status"], chest_film["reason"]) == (str(chest), "read", None)
    assert {"code", "name", "probability", "threshold", "positive", "box"} <= chest_film["findings"][0].keys()
    assert 0 <= chest_film["scores"]["abnormal"] <= 1
    assert len(chest_film["model"]["sha256"]) == 64
    assert chest_film["seconds"] > 0
    assert (no_film["status"], no_film["priority"]) == ("not_read", "not_read")


def test_read_takes_pictures_too(tmp_path: Path) -> None:
    shown = phantom.render(seed=2, rows=500, columns=500).image

    Image.fromarray((shown * 255).astype("uint8")).save(tmp_path / "film.png")
    said = run("read", "film.png", "--json", folder=tmp_path)
    assert json.loads(said.stdout)["status"] == "read", said.stdout


def test_read_writes_its_results_as_valid_objects(tmp_path: Path) -> None:
    chest = tmp_path / "chest.dcm"
    phantom.write(chest, phantom.render(seed=1, findings=("pleural_effusion",), rows=900, columns=732))
    assert run("read", chest, "--out", tmp_path / "out", folder=tmp_path).returncode == 0
    written = sorted((tmp_path / "out").iterdir())
    assert [path.name for path in written] == ["chest.gsps.dcm", "chest.sc.dcm", "chest.sr.dcm"]
    for path in written:
        assert dciodvfy(path) == []


def test_read_without_its_model_says_so_and_fails(tmp_path: Path) -> None:
    chest = film_file(tmp_path / "chest.dcm", film(rows=400, columns=400))
    (tmp_path / "station.toml").write_text('[model]\nbundle = "nowhere"\n', encoding="utf-8")
    said = run("read", chest, "--json", folder=tmp_path)
    assert said.returncode == 1
    assert json.loads(said.stdout)["reason"] in ("no_model", "no_contrast")
    assert "no model bundle at" in said.stderr


def test_the_chest_films_of_the_real_world_are_read_and_the_others_refused(tmp_path: Path) -> None:
    folder = shared_folder() / "data" / "dicom"
    said = run("read", folder, "--json", folder=tmp_path)
    read = {Path(one["file"]).name for one in map(json.loads, said.stdout.splitlines()) if one["status"] == "read"}
    assert {name.split("__")[0] for name in read} == {"ivmartel", "mlmed", "udacity"}
    assert len(read) == 6


def test_send_acts_as_a_machine_and_tells_each_answer(tmp_path: Path, a_storescp: RunningStorescp) -> None:
    one = film_file(tmp_path / "one.dcm", film())
    bad = tmp_path / "bad.dcm"
    bad.write_bytes(b"no film")
    said = run("send", one, bad, "--to", f"PACS@127.0.0.1:{a_storescp.port}", folder=tmp_path)
    assert said.returncode == 1
    assert "0x0000" in said.stdout.splitlines()[0]
    assert "unreadable" in said.stdout.splitlines()[1]
    assert "not a DICOM file" in said.stdout
    assert "force=True" not in said.stdout
    assert len(a_storescp.received()) == 1


@pytest.mark.parametrize("address", ["PACS", "PACS@host", "PACS@host:99999", "@host:104"])
def test_an_address_that_is_none_is_wrong_usage(tmp_path: Path, address: str) -> None:
    one = film_file(tmp_path / "one.dcm", film())
    assert run("send", one, "--to", address, folder=tmp_path).returncode == 2


def test_init_writes_a_station_that_check_understands(tmp_path: Path) -> None:
    made = run("init", "--yes", "--user", "truong.tram", folder=tmp_path)
    assert made.returncode == 0
    assert re.search(r"^First user: truong.tram, one-time password [a-z2-9-]{14}$", made.stdout, re.MULTILINE)
    assert "http://127.0.0.1:8080\n" in made.stdout
    assert "xray-triage user passwd truong.tram" in made.stdout
    again = run("init", "--yes", folder=tmp_path)
    assert again.returncode == 1
    assert again.stderr.count("\n") == 1
    said = run("check", "--json", folder=tmp_path, XRAY_TRIAGE__RETENTION__RESERVE_GB="0")
    checks = {check["name"]: check["state"] for check in map(json.loads, said.stdout.splitlines())}
    assert said.returncode == 0
    assert checks["model"] == checks["users"] == "ok"
    assert checks["destination"] == checks["urgency"] == "warning"  # the shipped model withholds the pneumothorax


def add_unread_case(stores: Stores) -> str:
    """A film has come, and was not read; its case."""
    dataset = film()
    spooled = stores.spool.keep(io.BytesIO(film_bytes(dataset)))
    instance = reference_to(dataset)
    stores.inbox.record(instance=instance, spooled=spooled, calling_ae_title="DX1", peer_host="127.0.0.1")
    work = stores.ledger.claim(READ_WORK)
    assert work is not None
    (arrival,) = stores.inbox.of_study(dataset.StudyInstanceUID)
    with stores.database.write() as connection:
        case_id = record_reading(
            connection,
            arrival=arrival,
            stated=said_by(dataset, arrival, unread("reader_died")),
            reading=unread("reader_died"),
            picture_key=None,
            read_at=stores.clock.now(),
        ).case_id
        stores.ledger.finish(connection, work)
    return case_id


def test_a_result_is_written_once_then_amended_by_a_doctor_of_the_station(tmp_path: Path) -> None:
    run("init", "--yes", folder=tmp_path)
    stores = configured_stores(tmp_path / "station.toml")
    case_id = add_unread_case(stores)
    stores.accounts.users.add("mai", role=Role.DOCTOR, full_name="BS. Mai", licence="123/CCHN")
    nobody = run("result", case_id, "--conclusion", "Bình thường.", folder=tmp_path)
    assert (nobody.returncode, "--author" in nobody.stderr) == (2, True)  # two may judge here
    said = ("result", case_id, "--description", "Nhu mô: rõ.", "--conclusion", "Bình thường.", "--author", "mai")
    made = run(*said, "--json", folder=tmp_path)
    assert made.returncode == 0, made.stderr
    shown = json.loads(made.stdout)
    assert (shown["state"], shown["version"], shown["author"], shown["licence"]) == ("final", 1, "BS. Mai", "123/CCHN")
    again = run(*said, folder=tmp_path)
    assert (again.returncode, again.stderr.count("\n")) == (1, 1)
    assert "has a result already" in again.stderr
    amended = run(*said[:-1], "BS. Khách", "--amend", "xem lại", folder=tmp_path)
    assert amended.stdout.startswith("amended 2 BS. Khách ")
    assert [entry.action for entry in stores.audit.entries(subject=case_id)] == ["result_amended", "result_finished"]
    stores.database.close()


def test_films_that_were_not_read_are_read_again_by_case_by_day_and_by_reason(tmp_path: Path) -> None:
    run("init", "--yes", folder=tmp_path)
    stores = configured_stores(tmp_path / "station.toml")
    case_id = add_unread_case(stores)
    nothing = run("reread", "--since", "2020-01-01", "--reason", "damaged_pixels", folder=tmp_path)
    assert (nothing.returncode, nothing.stdout) == (0, "0 films will be read again\n")
    done = run("reread", "--since", "2020-01-01", "--reason", "reader_died", folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, "1 films will be read again\n")
    again = run("reread", case_id, folder=tmp_path)
    assert (again.returncode, again.stdout) == (1, "0 films will be read again\n")
    assert again.stderr == f"{case_id}: The films of this case are being read, or wait to be read.\n"
    unknown = run("reread", "000000000000", folder=tmp_path)
    assert (unknown.returncode, unknown.stderr.count("\n")) == (1, 1)
    for wrong in ([], [case_id, "--since", "2020-01-01"], [case_id, "--reason", "bored"], ["--since", "yesterday"]):
        assert run("reread", *wrong, folder=tmp_path).returncode == 2
    assert [entry.detail for entry in stores.audit.entries(subject=case_id)] == ["reader_died"]
    stores.database.close()


def test_init_that_was_cut_off_before_the_first_user_is_done_again(tmp_path: Path) -> None:
    run("init", "--yes", "--data-dir", "films", folder=tmp_path)
    shutil.rmtree(tmp_path / "films")
    said = run("check", "--json", folder=tmp_path)
    checks = {check["name"]: check["state"] for check in map(json.loads, said.stdout.splitlines())}
    assert checks["users"] == "warning"
    assert run("user", "disable", "admin", folder=tmp_path).returncode == 1
    assert "First user: admin" in run("init", "--yes", folder=tmp_path).stdout


def test_a_power_cut_in_the_middle_of_init_leaves_nothing_half(tmp_path: Path) -> None:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("XRAY_TRIAGE_")}
    command = [sys.executable, "-m", "xray_triage.cli", "init", "--yes"]
    for watched in ("station.toml", "data/station.db-wal"):
        folder = tmp_path / watched.replace("/", "-")
        folder.mkdir()
        with subprocess.Popen(command, cwd=folder, env=clean, stdout=subprocess.DEVNULL) as cut:
            until(lambda folder=folder, watched=watched: (folder / watched).exists())  # type: ignore[misc]
            cut.kill()
        again = run("init", "--yes", folder=folder)
        assert again.returncode == 0 or "so are users" in again.stderr, again.stderr
        (user,) = map(json.loads, run("user", "list", "--json", folder=folder).stdout.splitlines())
        assert (user["name"], user["role"]) == ("admin", "admin")


def test_a_name_or_a_search_commands_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("name")
    table.add_row("\x1b]0;title\x07 [/x] Bưởi")
    with out.capture() as shown:
        out.print(table)
        out.print("\x9b2J\u202e", "ok")
    assert "\ufffd]0;title\ufffd [/x] Bưởi" in shown.get()
    assert "\ufffd2J\ufffd ok" in shown.get()
    name = "\x1b\x9b2J\u202e\x7f Bưởi"
    print_json({"name": name})
    told = capsys.readouterr().out
    assert json.loads(told) == {"name": name}
    assert "Bưởi" in told
    assert all(letter.isprintable() for letter in told.rstrip())


def test_users_are_added_listed_kept_out_and_noted(tmp_path: Path) -> None:
    run("init", "--yes", folder=tmp_path)
    added = run("user", "add", "bs.hoa", "--full-name", "BS. Phạm Thị Hoa", "--json", folder=tmp_path)
    assert set(json.loads(added.stdout)) == {"name", "one_time_password"}
    token = run("user", "token", "BS.Hoa", "--label", "report", folder=tmp_path)
    assert token.stdout.startswith("xrt_")
    assert run("user", "role", "bs.hoa", "technician", folder=tmp_path).returncode == 0
    listed = [json.loads(line) for line in run("user", "list", "--json", folder=tmp_path).stdout.splitlines()]
    assert [(user["name"], user["role"], user["state"]) for user in listed] == [
        ("admin", "admin", "one-time password"),
        ("bs.hoa", "technician", "one-time password"),
    ]
    assert run("user", "disable", "bs.hoa", folder=tmp_path).returncode == 0
    trail = [
        json.loads(line) for line in run("audit", "--case", "bs.hoa", "--json", folder=tmp_path).stdout.splitlines()
    ]
    assert [line["action"] for line in trail] == ["user_disabled", "user_changed", "token_made", "user_added"]
    assert all(line["actor"].startswith("cli:") for line in trail)


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("disable", "admin"), 1, "last active admin"),
        (("passwd", "nobody"), 1, "no user 'nobody'"),
        (("add", "ADMIN"), 1, "there already"),
        (("add", "a b"), 1, "1 to 40 letters"),
        (("add", "an", "--role", "king"), 2, "doctor, technician, admin"),
        (("token", "nobody"), 1, "no user 'nobody'"),
    ],
)
def test_what_cannot_be_done_to_a_user_is_one_line(
    a_station: Path, arguments: tuple[str, ...], status: int, said: str
) -> None:
    answer = run("user", *arguments, folder=a_station)
    assert (answer.returncode, said in answer.stderr) == (status, True)
    assert status == 2 or answer.stderr.count("\n") == 1


def test_a_mistake_in_the_configuration_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "station.toml").write_text("[listener]\nprot = 1\n", encoding="utf-8")
    for verb in ("serve", "check", "cases", "queue"):
        said = run(verb, folder=tmp_path)
        assert said.returncode == 1
        assert said.stderr == "xray-triage: station.toml: listener.prot: unknown key 'prot'; did you mean 'port'?\n"


def test_what_is_no_film_is_said_in_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "scan.pdf").write_bytes(b"%PDF-1.7\n")
    (tmp_path / "empty").mkdir()
    for words, told in (
        (("read", "scan.pdf"), "scan.pdf: this is a PDF, not a film"),
        (("send", "empty", "--to", "A@127.0.0.1:1"), "empty: nothing in it to send"),
        (("demo", "--exit", "scan.pdf"), "scan.pdf: no film"),
        (("demo", "--exit", "empty"), "empty: no film"),
        (("phantom", "nowhere/a.dcm"), "nowhere: no such folder; make it first"),
        (("init", "--yes", "--data-dir", "scan.pdf/data"), "[station] data_dir"),
    ):
        said = run(*words, folder=tmp_path)
        assert (said.returncode, said.stderr.count("\n")) == (1, 1), (words, said.stderr)
        assert told in said.stderr
        assert "Traceback" not in said.stderr


@pytest.mark.parametrize("section", ["listener", "web", "orders.hl7"])
def test_a_port_that_is_taken_is_told_with_its_key(tmp_path: Path, section: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        free = {"listener": 0, "web": 0, "orders.hl7": 0, section: port}
        text = "".join(f"[{name}]\nport = {number}\n" for name, number in free.items())
        (tmp_path / "station.toml").write_text(text + "[retention]\nreserve_gb = 0.1\n", encoding="utf-8")
        said = run("serve", folder=tmp_path)
    assert said.returncode == 1
    assert f"[{section}] port {port}" in said.stderr
    assert "station starting" in said.stderr


def test_without_a_configuration_the_way_to_one_is_told(tmp_path: Path) -> None:
    said = run("serve", folder=tmp_path)
    assert said.returncode == 1
    assert "xray-triage init" in said.stderr


def test_a_film_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    said = run("read", "absent.dcm", folder=tmp_path)
    assert (said.returncode, said.stderr) == (1, "xray-triage: absent.dcm: no such file or folder\n")


def test_phantom_writes_a_film_with_the_lesion_asked_for(tmp_path: Path) -> None:
    said = run("phantom", "out.dcm", "--finding", "mass", "--size", "600", "--monochrome1", folder=tmp_path)
    assert said.returncode == 0, said.stderr
    assert said.stdout.startswith("mass: ")
    made = pydicom.dcmread(tmp_path / "out.dcm")
    assert (made.Rows, made.Columns, made.PhotometricInterpretation) == (600, 488, "MONOCHROME1")
    exposed = datetime.strptime(made.AcquisitionDate + made.AcquisitionTime, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    assert abs(datetime.now(UTC) - exposed) < timedelta(minutes=5)
    wrong = run("phantom", "out.dcm", "--finding", "fracture", folder=tmp_path)
    assert wrong.returncode == 2
    assert "pneumothorax" in wrong.stderr


def test_models_are_listed_verified_and_chosen(tmp_path: Path) -> None:
    run("init", "--yes", folder=tmp_path)
    listed = [json.loads(line) for line in run("model", "list", "--json", folder=tmp_path).stdout.splitlines()]
    assert [row["name"] for row in listed if row["in_use"]] == ["station-5"]
    assert run("model", "verify", folder=tmp_path).returncode == 0
    assert run("model", "activate", "station-5", folder=tmp_path).returncode == 0
    assert (tmp_path / "data" / "active_bundle").read_text(encoding="utf-8") == "station-5\n"
    unknown = run("model", "activate", "station-9", folder=tmp_path)
    assert unknown.returncode == 1
    assert "no bundle is called 'station-9'" in unknown.stderr


def test_import_of_a_folder_without_films_fails_and_says_so(tmp_path: Path) -> None:
    run("init", "--yes", folder=tmp_path)
    empty = tmp_path / "stick"
    empty.mkdir()
    said = run("import", empty, folder=tmp_path, XRAY_TRIAGE__RETENTION__RESERVE_GB="0")
    assert said.returncode == 1
    assert "nothing here" in said.stderr


@pytest.mark.parametrize("verb", ["init", "serve", "check", "demo", "read", "send", "import", "export", "queue"])
def test_every_verb_has_help(tmp_path: Path, verb: str) -> None:
    said = run(verb, "--help", folder=tmp_path)
    assert said.returncode == 0
    assert "Usage" in said.stdout


def test_records_lists_what_a_peer_refused_and_sends_it_again(tmp_path: Path) -> None:
    run("init", "--yes", folder=tmp_path)
    config = tmp_path / "station.toml"
    config.write_text(
        config.read_text(encoding="utf-8") + '\n[[record]]\nname = "his"\nkind = "folder"\npath = "his"\n',
        encoding="utf-8",
    )
    stores = configured_stores(config)
    dataset = film()
    spooled = stores.spool.keep(io.BytesIO(film_bytes(dataset)))
    stores.inbox.record(instance=reference_to(dataset), spooled=spooled, calling_ae_title="DX1", peer_host="127.0.0.1")
    (arrival,) = stores.inbox.of_study(dataset.StudyInstanceUID)
    with stores.database.write() as connection:
        stated = said_by(dataset, arrival, unread())
        recorded = record_reading(
            connection, arrival=arrival, stated=stated, reading=unread(), picture_key=None, read_at=stores.clock.now()
        )
        stores.records.enqueue(connection, 1, 1)
    claimed = stores.records.claim("his")
    assert claimed is not None
    stores.records.refuse(claimed[0], status="AR", error="AR: who is that?")
    stores.database.close()
    said = run("records", "--json", folder=tmp_path)
    peer, refused = map(json.loads, said.stdout.splitlines())
    assert (peer["name"], peer["refused"], refused["case_id"]) == ("his", 1, recorded.case_id)
    assert refused["last_error"] == "AR: who is that?"
    assert (
        run("records", "retry", str(refused["id"]), folder=tmp_path).stdout == f"{refused['id']} will be sent again\n"
    )
    again = run("records", "retry", str(refused["id"]), folder=tmp_path)
    assert (again.returncode, again.stderr.count("\n")) == (1, 1)
