"""Orders as files: taken when they are whole, once, whatever dies in between, and put aside with their answer."""

from pathlib import Path

import pytest

from tests.factories import StoppedClock
from tests.peers.ordering import MANNERS, placed, understood
from tests.xray_triage.desk import TestDesk
from xray_triage.hl7.message import MOST_BYTES
from xray_triage.orders.folder import UNCHANGED_SECONDS, OrderFolder, unusable
from xray_triage.orders.his import HisOrders


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "orders"
    folder.mkdir()
    return folder


@pytest.fixture
def folder(his: HisOrders, path: Path, clock: StoppedClock) -> OrderFolder:
    return OrderFolder(his, path, clock=clock)


def look_twice(folder: OrderFolder, clock: StoppedClock) -> bool:
    folder.step()
    clock.advance(UNCHANGED_SECONDS)
    return folder.step()


def names(path: Path) -> list[str]:
    return sorted(str(each.relative_to(path)) for each in path.rglob("*") if each.is_file())


def test_whole_files_are_taken_oldest_first_and_put_aside_with_their_answers(
    desk: TestDesk, folder: OrderFolder, path: Path, clock: StoppedClock
) -> None:
    for name, message in zip("abcd", MANNERS.values(), strict=True):
        (path / f"{name}.hl7").write_bytes(message)
    (path / "E.HL7").write_bytes(placed(control="CA"))
    (path / "notes.txt").write_bytes(placed("7"))
    assert look_twice(folder, clock)
    done = [f"done/{name}.hl7{end}" for name in "abcd" for end in ("", ".ack")]
    assert names(path) == [*done, "failed/E.HL7", "failed/E.HL7.ack", "notes.txt"]
    assert understood((path / "done/a.hl7.ack").read_bytes()).code == "AA"
    assert understood((path / "failed/E.HL7.ack").read_bytes()).place == "ORC-2"
    assert len(desk.orders.offered()) == 4
    assert not look_twice(folder, clock)


def test_a_file_that_is_still_being_written_is_left_alone(
    desk: TestDesk, folder: OrderFolder, path: Path, clock: StoppedClock
) -> None:
    message = placed()
    for end in range(0, len(message), 50):
        (path / "slow.hl7").write_bytes(message[:end])
        folder.step()
        clock.advance(UNCHANGED_SECONDS / 2)
    assert names(path) == ["slow.hl7"]
    (path / "slow.hl7").write_bytes(message)
    assert look_twice(folder, clock)
    assert len(desk.orders.offered()) == 1


def test_a_file_that_was_taken_and_not_moved_when_the_power_failed_is_one_order(
    desk: TestDesk, his: HisOrders, folder: OrderFolder, path: Path, clock: StoppedClock
) -> None:
    (path / "a.hl7").write_bytes(placed())
    his.take(placed(), peer="the run before")
    assert look_twice(folder, clock)
    assert len(desk.orders.offered()) == 1
    assert understood((path / "done/a.hl7.ack").read_bytes()).code == "AA"


def test_a_second_file_of_the_same_name_writes_over_none(folder: OrderFolder, path: Path, clock: StoppedClock) -> None:
    for number in ("1", "2", "3"):
        (path / "order.hl7").write_bytes(placed(number, message_id=number))
        assert look_twice(folder, clock)
    kept = [path / "done" / name for name in ("order.hl7", "order.2.hl7", "order.3.hl7")]
    assert [each.read_bytes() for each in kept] == [placed(n, message_id=n) for n in ("1", "2", "3")]


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"x" * (MOST_BYTES + 2), placed(pid_7="soon")])
def test_a_file_that_is_no_order_is_put_aside_with_the_reason(
    folder: OrderFolder, path: Path, clock: StoppedClock, content: bytes
) -> None:
    (path / "bad.hl7").write_bytes(content)
    assert look_twice(folder, clock)
    assert names(path) == ["failed/bad.hl7", "failed/bad.hl7.ack"]
    assert understood((path / "failed/bad.hl7.ack").read_bytes()).why


def test_one_file_in_the_way_holds_up_no_other(
    desk: TestDesk, folder: OrderFolder, path: Path, clock: StoppedClock
) -> None:
    (path / "done").write_bytes(b"")  # where a folder must be
    (path / "a.hl7").write_bytes(placed())
    (path / "b.hl7").write_bytes(placed(control="CA", message_id="M-2", number="unknown"))
    assert look_twice(folder, clock)
    assert folder.problem.startswith("a.hl7: ")
    assert (path / "failed/b.hl7").exists()
    (path / "done").unlink()
    assert look_twice(folder, clock)
    assert folder.problem == ""
    assert len(desk.orders.offered()) == 1


def test_a_database_that_fails_leaves_the_file_where_it_is(
    desk: TestDesk, folder: OrderFolder, path: Path, clock: StoppedClock
) -> None:
    desk.break_inserts("film_order")
    (path / "a.hl7").write_bytes(placed())
    look_twice(folder, clock)
    assert (folder.problem.startswith("a.hl7: "), names(path)) == (True, ["a.hl7"])
    desk.mend_inserts()
    assert look_twice(folder, clock)
    assert len(desk.orders.offered()) == 1


def test_folders_and_links_are_no_orders(folder: OrderFolder, path: Path, clock: StoppedClock, tmp_path: Path) -> None:
    (path / "folder.hl7").mkdir()
    (tmp_path / "secret").write_bytes(placed())
    (path / "link.hl7").symlink_to(tmp_path / "secret")
    assert not look_twice(folder, clock)


def test_a_folder_that_is_not_there_is_told_until_it_comes(
    folder: OrderFolder, path: Path, clock: StoppedClock
) -> None:
    path.rmdir()
    assert unusable(path)
    assert not look_twice(folder, clock)
    assert "No such file" in folder.problem
    path.mkdir()
    (path / "a.hl7").write_bytes(placed())
    assert look_twice(folder, clock)
    assert (folder.problem, unusable(path)) == ("", "")
