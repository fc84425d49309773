"""The marker of a spool: kept whole, read back, and never guessed."""

from pathlib import Path

import pytest

from dicom_router.errors import DamagedFile
from dicom_router.store.marker import MARKER_FILE, new_marker, read_marker, write_marker
from dicom_router.store.spool import Spool
from tests.factories import StoppedClock


def test_a_new_spool_has_no_name(tmp_path: Path) -> None:
    Spool(tmp_path / "spool")
    assert read_marker(tmp_path / "spool") is None


def test_a_name_is_read_back_and_no_film_of_the_spool(tmp_path: Path) -> None:
    spool, marker = Spool(tmp_path), new_marker(StoppedClock())
    write_marker(tmp_path, marker)
    assert read_marker(tmp_path) == marker
    assert list(spool.keys()) == []


def test_no_two_spools_have_one_name() -> None:
    assert len({new_marker(StoppedClock()).id for _ in range(100)}) == 100


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 88,
        b"null",
        b"[]",
        b'{"id": "ab"}',
        b'{"id": "../../etc/passwd", "made": "2026-11-29T01:00:00+00:00"}',
        b'{"id": 7, "made": "2026-11-29T01:00:00+00:00"}',
        b'{"id": "abababababababababababababababab", "made": "yesterday"}',
        b'{"id": "abababababababababababababababab", "made": "2026-11-29T01:00:00"}',
        b'{"id": "abababababababababababababababab", "made": 5}',
        b"\xff\xfe{}",
    ],
)
def test_a_marker_that_a_disk_spoilt_names_no_spool(tmp_path: Path, content: bytes) -> None:
    (tmp_path / MARKER_FILE).write_bytes(content)
    with pytest.raises(DamagedFile, match=MARKER_FILE):
        read_marker(tmp_path)


def test_a_power_cut_before_the_name_was_whole_leaves_none(tmp_path: Path) -> None:
    (tmp_path / f".{MARKER_FILE}.part").write_text('{"id": "ab')
    assert read_marker(tmp_path) is None
