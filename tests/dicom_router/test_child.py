"""Children: what they say, what their end means, and that nothing of them is left."""

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from dicom_router import child
from tests.factories import until

GRANDCHILD = "import subprocess, sys; print(subprocess.Popen(['sleep', '600']).pid, flush=True); sys.stdin.read()"


def run(folder: Path, program: str, **options: object) -> "subprocess.CompletedProcess[bytes]":
    (folder / "job.py").write_text(program)
    return child.run("job", "a word", environment={"JOB": "yes"}, folder=folder, **options)  # type: ignore[arg-type]


def test_a_child_gets_its_words_its_environment_and_its_input(tmp_path: Path) -> None:
    program = "import os, sys; print(sys.argv[1], os.environ['JOB'], sys.stdin.read())"
    done = run(tmp_path, program, source=b"input")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"a word yes input\n", b"")


@pytest.mark.parametrize(
    ("program", "problem", "complaint"),
    [
        ("import sys; sys.exit('no such film')", "exit status 1", "no such film"),
        ("import os; os.kill(os.getpid(), 9)", "killed: out of memory, or by us", ""),
        ("import os; os.abort()", "died: Aborted", ""),
        ("print(1, file=__import__('sys').stderr)", "", "1"),
    ],
)
def test_an_end_has_a_meaning(tmp_path: Path, program: str, problem: str, complaint: str) -> None:
    done = run(tmp_path, program)
    assert (child.meaning(done.returncode), done.stderr.decode().strip()) == (problem, complaint)


def test_one_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    done = run(tmp_path, "import threading; threading.Event().wait()", seconds=0.5)
    assert (done.returncode, done.stderr) == (-signal.SIGKILL, b"it took over 0.5 s")


def test_with_a_child_all_ends_that_it_started(tmp_path: Path) -> None:
    (tmp_path / "job.py").write_text(GRANDCHILD)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with child.start("job", environment={}, cwd=tmp_path, **pipes) as process:
        assert process.stdout is not None
        grandchild = psutil.Process(int(process.stdout.readline()))
        child.end(process)
        child.end(process)
    until(lambda: not grandchild.is_running() or grandchild.status() == psutil.STATUS_ZOMBIE)


def test_a_restrained_child_cannot_have_more(tmp_path: Path) -> None:
    program = "from dicom_router.child import restrain; restrain(300 << 20, niceness=5); bytearray(1 << 30)"
    (tmp_path / "dicom_router").symlink_to(Path(child.__file__).parent)
    assert b"MemoryError" in run(tmp_path, program).stderr


def test_python_itself_is_the_one_that_runs_us(tmp_path: Path) -> None:
    assert run(tmp_path, "import sys; print(sys.executable)").stdout.decode().strip() == sys.executable
