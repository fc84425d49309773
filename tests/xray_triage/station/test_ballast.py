"""The room that is kept for a full disk: set by when there is much, given up when there is nothing, and only then."""

from pathlib import Path

from tests.disks import fill, small_disk
from xray_triage.station.ballast import BALLAST_BYTES, FILE, give_up, lay


def test_it_is_given_up_once_when_the_disk_is_full(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", 20) as disk:
        lay(disk)
        lay(disk)
        assert (disk / FILE).stat().st_blocks * 512 >= BALLAST_BYTES
        assert not give_up(disk)
        fill(disk)
        assert give_up(disk)
        (disk / "station.db-shm").write_bytes(bytes(BALLAST_BYTES // 2))
        fill(disk)
        assert not give_up(disk)


def test_a_disk_with_little_room_is_left_alone(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", 8) as disk:
        lay(disk)
        assert not (disk / FILE).exists()
