"""The listener's tests over a listener made of pynetdicom: what it cannot do is said here, and in decision 0006."""

import gc
import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from benchmarks.peer_pynetdicom import PynetdicomListener
from tests.dicom_router.scp import test_listener
from tests.dicom_router.scp.conftest import MakeStation, Station, running_station

globals().update({name: each for name, each in vars(test_listener).items() if name.startswith("test_")})

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # it leaves files open, and threads that end by an exception
]

# A test's name, with its parameters where some of them pass: what pynetdicom does instead.
CANNOT = {
    "test_a_uid_that_is_none_is_refused_and_nothing_is_written": "never asks whether a UID is one; aborts at three",
    "test_other_services_are_refused_and_the_association_goes_on": "aborts at a C-FIND in a storage context",
    "test_every_storage_class_is_taken_and_nothing_else": "knows its own list, no retired or private class",
    "test_an_association_has_an_end": "hangs up where A-ABORT is due: it takes no end from outside",
    "test_a_silent_association_is_dropped": "aborts and waits for the peer to hang up",
    "test_noise_inside_an_association_is_aborted[noise3]": "opens a file for a context that was never accepted",
    "test_noise_inside_an_association_is_aborted[noise4]": "opens a file for a context that was never accepted",
    "test_noise_inside_an_association_is_aborted[noise10]": "releases in the middle of a film",
}


@pytest.fixture(autouse=True)
def _what_it_cannot(request: pytest.FixtureRequest) -> None:
    if reason := CANNOT.get(request.node.name) or CANNOT.get(request.node.originalname):
        request.applymarker(pytest.mark.xfail(reason=reason, strict=True))


@pytest.fixture(autouse=True)
def _its_open_files() -> Iterator[None]:
    """They are collected here, where nobody minds, and not in the midst of another test."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
def make_station(tmp_path: Path) -> Iterator[MakeStation]:
    listen = partial(PynetdicomListener, folder=tmp_path / "spool")
    with ExitStack() as running:
        yield lambda **options: running.enter_context(running_station(tmp_path, listen=listen, **options))


@pytest.fixture
def station(make_station: MakeStation) -> Station:
    return make_station()


@pytest.fixture
def busy_station(make_station: MakeStation) -> Station:
    """One for each test: pynetdicom's switches are the whole process's. A message that never ends ends by silence."""
    return make_station(idle_seconds=2)
