"""A file that is written whole: the old one or the new one, and nothing beside it."""

from pathlib import Path

import pytest

from dicom_router.files import write_whole


def test_a_file_is_replaced_whole_over_what_a_power_cut_left(tmp_path: Path) -> None:
    path = tmp_path / "choice"
    path.write_bytes(b"old")
    (tmp_path / ".choice.part").write_bytes(b"half of what was to be")
    write_whole(path, b"new")
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == {"choice": b"new"}


def test_what_cannot_take_its_place_is_gone_again(tmp_path: Path) -> None:
    (tmp_path / "choice" / "a folder of this name").mkdir(parents=True)
    with pytest.raises(OSError, match="choice"):
        write_whole(tmp_path / "choice", b"new")
    assert [each.name for each in tmp_path.iterdir()] == ["choice"]


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "away" / "choice", b"new")
