"""Signing on the command line, and a case as a package for a stick."""

import io
import subprocess
from pathlib import Path

import pydicom
import pytest
from click.testing import Result
from typer.testing import CliRunner

from dicom_router.dicom.instance import reference_to
from dicom_router.errors import PeerUnreachable
from tests.factories import film, film_bytes
from tests.peers.signing_service import PIN
from tests.xray_triage.desk import said_by, unread
from tests.xray_triage.signing import Section
from xray_triage.accounts.audit import Action
from xray_triage.cases.casebook import UnknownCase
from xray_triage.cases.recording import record_reading
from xray_triage.cli import app
from xray_triage.records.result import Author, Words
from xray_triage.stores import Stores, configured_stores

MAI = Author(account="mai", name="BS. Trần Thị Mai")


def run(*words: str | Path, typed: str = "") -> Result:
    """In this process, which is quicker than one of its own."""
    return CliRunner().invoke(app, [*map(str, words)], input=typed)


def a_case_with_a_result(stores: Stores) -> str:
    dataset = film()
    spooled = stores.spool.keep(io.BytesIO(film_bytes(dataset)))
    instance = reference_to(dataset)
    stores.inbox.record(instance=instance, spooled=spooled, calling_ae_title="DX1", peer_host="127.0.0.1")
    (arrival,) = stores.inbox.of_study(dataset.StudyInstanceUID)
    with stores.database.write() as connection:
        case_id = record_reading(
            connection,
            arrival=arrival,
            stated=said_by(dataset, arrival, unread()),
            reading=unread(),
            picture_key=None,
            read_at=stores.clock.now(),
        ).case_id
    stores.results.finish(case_id, MAI, Words(conclusion="Không thấy bất thường."), before_author="")
    return case_id


@pytest.mark.slow
def test_a_result_is_signed_from_the_terminal_and_leaves_as_a_package_that_proves_itself(
    tmp_path: Path, at_service: Section, monkeypatch: pytest.MonkeyPatch
) -> None:
    section = at_service()
    monkeypatch.chdir(tmp_path)
    Path("station.toml").write_text(
        f'[signing]\nkind = "remote"\nurl = "{section.url}"\ncredential = "{section.credential}"\n'
        f'token_file = "{section.token_file}"\nchain = "{section.chain}"\n'
    )
    stores = configured_stores(tmp_path / "station.toml")
    case_id = a_case_with_a_result(stores)
    wrong = run("sign", case_id, typed="11111\n")
    assert wrong.exit_code == 1
    (line,) = wrong.stderr.splitlines()[-1:]
    assert line.startswith("Sai mã PIN: hãy gõ lại.")
    assert "11111" not in wrong.stderr
    signed = run("sign", case_id, typed=f"{PIN}\n")
    assert (signed.exit_code, signed.stdout) == (0, f"version 1 of case {case_id} signed by TRẦN THỊ MAI\n")
    assert run("sign", "--forgive").exit_code == 0
    assert run("sign").exit_code == 2
    assert {Action.NOT_SIGNED, Action.RESULT_SIGNED} <= {one.action for one in stores.audit.entries(subject=case_id)}

    stick = tmp_path / "stick"
    for _ in range(2):  # again onto the same stick
        assert run("export", case_id, "--to", stick, "--package").exit_code == 0
    package = stick / f"case-{case_id}"
    assert (package / "result.pdf").read_bytes() == stores.signing.pdf(case_id, 1)
    classes = {str(pydicom.dcmread(path).SOPClassUID) for path in package.rglob("*.dcm")}
    assert len(classes) == 1
    check = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
    told = subprocess.run(check, cwd=package, capture_output=True, text=True, check=True)
    assert len(told.stdout.splitlines()) == len([path for path in package.rglob("*") if path.is_file()]) - 1
    (package / "result.pdf").write_bytes(b"%PDF-1.4\n")
    assert subprocess.run(check, cwd=package, capture_output=True, check=False).returncode == 1
    stores.renderer.close()
    stores.database.close()


def test_a_package_needs_a_stick_and_a_case_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("station.toml").touch()
    stores = configured_stores(tmp_path / "station.toml")
    case_id = a_case_with_a_result(stores)
    stores.renderer.close()
    stores.database.close()
    unplugged = run("export", case_id, "--to", tmp_path / "media" / "stick", "--package")
    assert isinstance(unplugged.exception, OSError | PeerUnreachable)
    assert isinstance(run("export", "000000000000", "--package").exception, UnknownCase)
    assert not (tmp_path / "media").exists()
    assert run("export", case_id, "--package").exit_code == 0
    pdf = (tmp_path / f"case-{case_id}" / "result.pdf").read_bytes()
    assert pdf.startswith(b"%PDF")
    assert b"ETSI.CAdES" not in pdf  # nobody has signed it
