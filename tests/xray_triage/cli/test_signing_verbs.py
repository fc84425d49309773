"""Signing on the command line, and a case as a package for a stick."""

import io
import subprocess
import sys
from pathlib import Path

import pydicom
import pytest

from dicom_router.dicom.instance import reference_to
from tests.factories import film, film_bytes
from tests.peers.signing_service import PIN
from tests.xray_triage.desk import said_by, unread
from tests.xray_triage.signing import Section
from xray_triage.accounts.audit import Action
from xray_triage.records.result import Author, Words
from xray_triage.stores import Stores, configured_stores

pytestmark = pytest.mark.slow  # a process for each verb
MAI = Author(account="mai", name="BS. Trần Thị Mai")


def run(*words: str | Path, folder: Path, typed: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "xray_triage.cli", *map(str, words)]
    return subprocess.run(command, input=typed, capture_output=True, text=True, timeout=120, check=False, cwd=folder)


def a_case_with_a_result(stores: Stores) -> str:
    dataset = film()
    spooled = stores.spool.keep(io.BytesIO(film_bytes(dataset)))
    instance = reference_to(dataset)
    stores.inbox.record(instance=instance, spooled=spooled, calling_ae_title="DX1", peer_host="127.0.0.1")
    (arrival,) = stores.inbox.of_study(dataset.StudyInstanceUID)
    with stores.database.write() as connection:
        case_id = stores.casebook.record(
            connection,
            arrival=arrival,
            stated=said_by(dataset, arrival, unread()),
            reading=unread(),
            picture_key=None,
        ).case_id
    stores.results.finish(case_id, MAI, Words(conclusion="Không thấy bất thường."), before_author="")
    return case_id


def test_a_result_is_signed_from_the_terminal_and_leaves_as_a_package_that_proves_itself(
    tmp_path: Path, at_service: Section
) -> None:
    section = at_service()
    (tmp_path / "station.toml").write_text(
        f'[signing]\nkind = "remote"\nurl = "{section.url}"\ncredential = "{section.credential}"\n'
        f'token_file = "{section.token_file}"\nchain = "{section.chain}"\n'
    )
    stores = configured_stores(tmp_path / "station.toml")
    case_id = a_case_with_a_result(stores)
    wrong = run("sign", case_id, folder=tmp_path, typed="11111\n")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    (line,) = wrong.stderr.splitlines()[-1:]
    assert line.startswith("Sai mã PIN: hãy gõ lại.")
    assert "11111" not in wrong.stderr
    signed = run("sign", case_id, folder=tmp_path, typed=f"{PIN}\n")
    assert (signed.returncode, signed.stdout) == (0, f"version 1 of case {case_id} signed by TRẦN THỊ MAI\n")
    assert run("sign", "--forgive", folder=tmp_path).returncode == 0
    assert run("sign", folder=tmp_path).returncode == 2
    assert {Action.NOT_SIGNED, Action.RESULT_SIGNED} <= {one.action for one in stores.audit.entries(subject=case_id)}

    stick = tmp_path / "stick"
    for _ in range(2):  # again onto the same stick
        assert run("export", case_id, "--to", stick, "--package", folder=tmp_path).returncode == 0
    package = stick / f"case-{case_id}"
    assert (package / "result.pdf").read_bytes() == stores.signing.pdf(case_id, 1)
    classes = {str(pydicom.dcmread(path).SOPClassUID) for path in package.rglob("*.dcm")}
    assert len(classes) == 1
    check = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
    told = subprocess.run(check, cwd=package, capture_output=True, text=True, check=True)
    assert len(told.stdout.splitlines()) == len([path for path in package.rglob("*") if path.is_file()]) - 1
    (package / "result.pdf").write_bytes(b"%PDF-1.4\n")
    assert subprocess.run(check, cwd=package, capture_output=True, check=False).returncode == 1
    stores.database.close()


def test_a_package_needs_a_stick_and_a_case_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "station.toml").touch()
    stores = configured_stores(tmp_path / "station.toml")
    case_id = a_case_with_a_result(stores)
    stores.database.close()
    unplugged = run("export", case_id, "--to", tmp_path / "media" / "stick", "--package", folder=tmp_path)
    assert (unplugged.returncode, unplugged.stderr.count("\n")) == (1, 1)
    assert run("export", "000000000000", "--package", folder=tmp_path).returncode == 1
    assert not (tmp_path / "media").exists()
    assert run("export", case_id, "--package", folder=tmp_path).returncode == 0
    pdf = (tmp_path / f"case-{case_id}" / "result.pdf").read_bytes()
    assert pdf.startswith(b"%PDF")
    assert b"ETSI.CAdES" not in pdf  # nobody has signed it
