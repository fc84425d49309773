"""What the spool promises: a file under a key is whole and safe, and nothing outside the spool is ever touched."""

import hashlib
import io
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dicom_router.errors import DamagedFile
from dicom_router.store.spool import Spool
from tests.factories import film, film_bytes, until

META_END = 132 + 12  # preamble, prefix and group length element; then the group's length in bytes


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


def dataset_part(content: bytes) -> bytes:
    return content[META_END + int.from_bytes(content[140:144], "little") :]


def content_of(spool: Spool, key: str) -> bytes:
    with spool.open(key) as stream:
        return stream.read()


def files_under(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_film_is_kept_as_it_came(spool: Spool) -> None:
    content = film_bytes(film())
    kept = spool.keep(io.BytesIO(content))
    assert content_of(spool, kept.key) == content
    assert kept.size_bytes == len(content)
    assert list(spool.keys()) == [kept.key]


def test_the_hash_is_over_the_dataset_and_blind_to_its_wrapper(spool: Spool) -> None:
    content = film_bytes(film())
    rewrapped = b"\1" * 128 + content[128:]
    first, second = spool.keep(io.BytesIO(content)), spool.keep(io.BytesIO(rewrapped))
    assert first.sha256 == second.sha256 == hashlib.sha256(dataset_part(content)).hexdigest()
    assert first.key != second.key


def test_a_wrong_group_length_does_not_move_the_dataset(spool: Spool) -> None:
    content = film_bytes(film())
    wrong = content[:140] + (7).to_bytes(4, "little") + content[144:]
    assert spool.keep(io.BytesIO(wrong)).sha256 == hashlib.sha256(dataset_part(content)).hexdigest()


def test_a_film_of_many_chunks_is_kept_whole(spool: Spool) -> None:
    content = film_bytes(film(rows=1500, columns=1500))
    kept = spool.keep(io.BytesIO(content))
    assert content_of(spool, kept.key) == content
    assert kept.sha256 == hashlib.sha256(dataset_part(content)).hexdigest()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\0" * 4096,
        b"\0" * 128 + b"DICM",
        film_bytes(film())[:200],
        b"\0" * 128 + b"DICM" + b"\x02\0\x01\0OB\0\0\xff\xff\xff\xff" + b"\0" * 4096,
        b"\0" * 128 + b"DICM" + (b"\x02\0\x10\0UI\xf0\xff" + b"1" * 0xFFF0) * 40,
    ],
    ids=["empty", "HTTP", "zeros", "no dataset", "cut in the header", "an element of 4 GiB", "endless header"],
)
def test_what_is_no_dicom_file_is_refused_without_a_trace(spool: Spool, tmp_path: Path, content: bytes) -> None:
    with pytest.raises(DamagedFile):
        spool.keep(io.BytesIO(content))
    assert files_under(tmp_path) == []


def test_a_file_written_in_pieces_appears_only_when_kept(spool: Spool) -> None:
    with spool.begin() as incoming:
        incoming.write(b"one ")
        incoming.write(b"two")
        assert list(spool.keys()) == []
        kept = incoming.keep("caller's hash")
    assert content_of(spool, kept.key) == b"one two"
    assert (kept.sha256, kept.size_bytes) == ("caller's hash", 7)


def test_an_interrupted_file_leaves_no_trace(spool: Spool, tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        write_and_fail(spool)
    incoming = spool.begin()
    incoming.write(b"half a film")
    incoming.discard()
    incoming.discard()
    assert files_under(tmp_path) == []


def write_and_fail(spool: Spool) -> None:
    with spool.begin() as incoming:
        incoming.write(b"half a film")
        raise ZeroDivisionError


def test_a_stream_that_breaks_off_leaves_no_trace(spool: Spool, tmp_path: Path) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() > 2_000_000:
                raise OSError("the stick was pulled")
            return super().read(size)

    with pytest.raises(OSError, match="pulled"):
        spool.keep(Broken(film_bytes(film(rows=1500, columns=1500))))
    assert files_under(tmp_path) == []


def test_a_deleted_file_is_gone_and_deleting_again_is_harmless(spool: Spool) -> None:
    kept = spool.keep(io.BytesIO(film_bytes(film())))
    spool.delete(kept.key)
    spool.delete(kept.key)
    assert list(spool.keys()) == []
    with pytest.raises(DamagedFile, match=kept.key):
        spool.open(kept.key)


@pytest.mark.parametrize("key", ["", "../../etc/passwd", "/etc/passwd", "1.2.840.10008", "A" * 32, "0" * 32 + "\n"])
def test_only_keys_of_our_own_become_paths(spool: Spool, key: str) -> None:
    with pytest.raises(ValueError, match="not a spool key"):
        spool.open(key)
    with pytest.raises(ValueError, match="not a spool key"):
        spool.delete(key)


def test_at_start_what_a_crash_left_half_written_is_removed(spool: Spool, tmp_path: Path) -> None:
    kept = spool.keep(io.BytesIO(film_bytes(film())))
    (tmp_path / "spool" / "incoming" / ("0" * 32)).write_bytes(b"half a film")
    again = Spool(tmp_path / "spool")
    assert again.collect_incoming() == 1
    assert again.collect_incoming() == 0
    assert list(again.keys()) == [kept.key]


def test_at_start_what_somebody_else_is_writing_stays_his(spool: Spool, tmp_path: Path) -> None:
    with spool.begin() as incoming:
        incoming.write(b"half a film")
        assert Spool(tmp_path / "spool").collect_incoming() == 0
        kept = incoming.keep("")
    assert list(spool.keys()) == [kept.key]


KEEP_FOR_EVER = """
import io, itertools, pathlib, sys
from dicom_router.store.spool import Spool
spool = Spool(pathlib.Path(sys.argv[1]))
head = bytes(128) + b"DICM" + b"\\x02\\0\\x10\\0UI\\x02\\x001\\0"
for number in itertools.count() if sys.argv[2] == "for ever" else range(int(sys.argv[2])):
    body = b"\\x08\\0\\x05\\0CS\\0\\0" + f"{number:08}".encode() * (number * 7919 % 50_000)
    kept = spool.keep(io.BytesIO(head + body))
    print(kept.key, kept.sha256, kept.size_bytes, flush=True)
"""


@pytest.mark.slow
def test_a_process_killed_at_any_moment_leaves_only_whole_files_and_all_that_it_reported(tmp_path: Path) -> None:
    choice = random.Random(7)
    spool = Spool(tmp_path / "spool")
    reported: dict[str, tuple[str, int]] = {}
    for life in range(4):
        log = tmp_path / f"log {life}"
        with log.open("wb") as output:
            child = subprocess.Popen(
                [sys.executable, "-c", KEEP_FOR_EVER, tmp_path / "spool", "for ever"], stdout=output
            )
            enough = choice.randrange(100, 20_000)
            until(lambda log=log, enough=enough: log.stat().st_size > enough)  # type: ignore[misc]
            child.kill()
            child.wait()
        for line in log.read_text().split("\n")[:-1]:  # what the kill cut off was not reported
            if len(words := line.split(" ")) == 3:
                reported[words[0]] = (words[1], int(words[2]))
    spool.collect_incoming()
    kept = set(spool.keys())
    assert len(reported) > 20
    assert reported.keys() <= kept
    assert len(kept - reported.keys()) <= 4  # kept, and killed before saying so
    for key, (sha256, size_bytes) in reported.items():
        content = content_of(spool, key)
        assert (hashlib.sha256(content[142:]).hexdigest(), len(content)) == (sha256, size_bytes)
    for key in kept - reported.keys():
        assert is_whole(content_of(spool, key))


def is_whole(content: bytes) -> bool:
    """Whether this is one of KEEP_FOR_EVER's files, whose content follows from its number."""
    numbers = content[150:]
    return not numbers or numbers == numbers[:8] * (int(numbers[:8]) * 7919 % 50_000)


def test_a_kept_file_is_synced_then_renamed_then_its_folder_is_synced(tmp_path: Path) -> None:
    strace = shutil.which("strace")
    if not strace:
        pytest.skip("no strace: apt-get install strace")
    Spool(tmp_path / "spool")
    trace = tmp_path / "trace"
    calls = "trace=openat,write,fsync,fdatasync,rename"
    program = [sys.executable, "-c", KEEP_FOR_EVER, str(tmp_path / "spool"), "1"]
    command = [strace, "-f", "-y", "-e", calls, "-o", str(trace), *program]
    reported = subprocess.run(command, check=True, capture_output=True, timeout=60).stdout.decode().split()[0]
    steps = [
        ("write" if "write(" in line else "sync" if "sync(" in line else "rename", line)
        for line in trace.read_text().splitlines()
        if re.search(r"(write|sync|rename)\(", line) and (reported in line or f"/{reported[:2]}>" in line)
    ]
    assert [step for step, _ in steps] == ["write", "write", "sync", "rename", "sync", "write"]
    assert f"/{reported[:2]}>" in steps[4][1]
    assert "write(1<" in steps[5][1]
