"""dcmtk's and dicom3tools' programs as test peers: the real ones, run as a user would; knows nothing of ours.

Skips the test that needs a program which is not installed. Nothing here raises when the program fails:
the caller looks at ``returncode`` and at what it printed.
"""

import itertools
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.factories import free_port

Completed = subprocess.CompletedProcess[str]


def storescu(
    port: int,
    *files: Path,
    called: str = "XRAYTRIAGE",
    calling: str = "XRAY1",
    extra: Sequence[str] = (),
    host: str = "127.0.0.1",
    seconds: float = 60,
) -> Completed:
    """Send files as an X-ray machine would. ``extra`` e.g. ``("-xs",)``: see sender_option()."""
    return run("storescu", "-v", "-aec", called, "-aet", calling, *extra, host, str(port), *files, seconds=seconds)


def echoscu(
    port: int,
    *,
    called: str = "XRAYTRIAGE",
    calling: str = "XRAY1",
    extra: Sequence[str] = (),
    host: str = "127.0.0.1",
    seconds: float = 60,
) -> Completed:
    """Ask whether the peer answers a C-ECHO."""
    return run("echoscu", "-v", "-aec", called, "-aet", calling, *extra, host, str(port), seconds=seconds)


def dsrdump(path: Path, *extra: str) -> str:
    """The content tree of a structured report as text; fails the test when dcmtk cannot read it."""
    done = run("dsrdump", "+U8", *extra, path)
    assert done.returncode == 0, f"dsrdump refuses {path.name}: {done.stderr}"
    return done.stdout


def dcmdump(path: Path, *extra: str) -> str:
    """The dataset as text; fails the test when dcmtk cannot read it."""
    done = run("dcmdump", *extra, path)
    assert done.returncode == 0, f"dcmdump refuses {path.name}: {done.stderr}"
    return done.stdout


def dciodvfy(path: Path) -> list[str]:
    """The lines in which David Clunie's verifier calls this object wrong. It exits 0 either way."""
    done = run("dciodvfy", path)
    lines = (done.stdout + done.stderr).splitlines()
    return [line for line in lines if line.startswith(("Error", "Abort"))]


# storescu proposes uncompressed syntaxes only, unless told which compressed one to add.
_SENDER_OPTIONS = {
    "1.2.840.10008.1.2": "-xi",
    "1.2.840.10008.1.2.1": "-xe",
    "1.2.840.10008.1.2.2": "-xb",
    "1.2.840.10008.1.2.4.50": "-xy",
    "1.2.840.10008.1.2.4.51": "-xx",
    "1.2.840.10008.1.2.4.57": "-xs",
    "1.2.840.10008.1.2.4.70": "-xs",
    "1.2.840.10008.1.2.4.80": "-xt",
    "1.2.840.10008.1.2.4.81": "-xu",
    "1.2.840.10008.1.2.4.90": "-xv",
    "1.2.840.10008.1.2.4.91": "-xw",
    "1.2.840.10008.1.2.5": "-xr",
}


def sender_option(transfer_syntax_uid: str) -> str:
    """What storescu must be told to propose this transfer syntax."""
    return _SENDER_OPTIONS[transfer_syntax_uid]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningStorescp:
    """A real PACS of the plainest kind: what arrives lies in ``folder``, one file per object."""

    port: int
    ae_title: str
    folder: Path
    process: subprocess.Popen[bytes]

    def received(self) -> list[Path]:
        return sorted(path for path in self.folder.iterdir() if path.is_file())


StartStorescp = Callable[..., RunningStorescp]


@pytest.fixture
def start_storescp(tmp_path: Path) -> Iterator[StartStorescp]:
    """Start storescp with any options, as often as wanted: ``start_storescp("+xa", ae_title="PACS", port=0)``."""
    with ExitStack() as running:
        numbers = itertools.count()

        def start(*options: str, ae_title: str = "PACS", port: int = 0) -> RunningStorescp:
            folder = tmp_path / f"storescp-{next(numbers)}"
            folder.mkdir()
            return running.enter_context(running_storescp(folder, *options, ae_title=ae_title, port=port))

        yield start


@contextmanager
def running_storescp(folder: Path, *options: str, ae_title: str = "PACS", port: int = 0) -> Iterator[RunningStorescp]:
    """One that is stopped at the end; what arrives lies in ``folder``."""
    chosen = port or free_port()
    command = [program("storescp"), "-aet", ae_title, "-od", str(folder), *options, str(chosen)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for_port(chosen)
        yield RunningStorescp(port=chosen, ae_title=ae_title, folder=folder, process=process)
    finally:
        stop(process)


@pytest.fixture
def a_storescp(start_storescp: StartStorescp) -> RunningStorescp:
    """A peer that takes every storage class and transfer syntax and keeps the bytes as they came."""
    return start_storescp("+xa", "-pm", "+B")


def run(name: str, *arguments: str | Path, seconds: float = 60) -> Completed:
    """Run one program to its end. Text that is no UTF-8 is shown with replacement characters."""
    command = [program(name), *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", errors="replace", timeout=seconds, check=False
    )


def program(name: str) -> str:
    """Where the program is; skips the test when it is not installed."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed (Debian packages: dcmtk, dicom3tools)")
    return found


def wait_for_port(port: int, *, seconds: float = 60) -> None:
    """Return when something accepts connections there."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < deadline, f"nothing listens on port {port} after {seconds} s"
            time.sleep(0.02)
        else:
            return


def stop(process: subprocess.Popen[bytes]) -> None:
    """End one process of ours, the hard way if it does not listen."""
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
