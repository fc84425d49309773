"""Fixtures for every test: the real peers live in tests/peers, one module each; needs.py marks who needs them."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

import xray_triage.reading  # noqa: F401 -- first of all: it keeps ONNX Runtime from telling its maker of us
from tests.needs import needs

settings.register_profile("busy", deadline=None)  # a busy machine is no fault of the code
settings.load_profile("busy")
pytest_plugins = [
    "tests.peers.dcmtk",
    "tests.peers.fhir_server",
    "tests.peers.orthanc",
    "tests.peers.postgres",
    "tests.xray_triage.signing",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rehearse", action="store_true", help="do each fault as often as a release asks")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    with_database: set[Path] = set()
    for item in items:
        if isinstance(item, pytest.Function):
            needed = needs(item)
            for name in needed:
                item.add_marker(name)
            if needed == {"database"} and not item.get_closest_marker("slow"):
                if item.path in with_database:
                    item.add_marker("further")
                with_database.add(item.path)


@pytest.fixture(autouse=True)
def _zone() -> Iterator[None]:
    """Local time is afterwards what it was: a station's configuration sets it for the whole process."""
    before = {"TZ": os.environ["TZ"]} if "TZ" in os.environ else {}
    yield
    os.environ.pop("TZ", None)
    os.environ |= before
    time.tzset()


@pytest.fixture
def a_small_disk(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of one megabyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1M,nr_inodes=1000", "none", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, timeout=60).returncode != 0:
        pytest.skip("mounting a small filesystem needs root")
    yield folder
    subprocess.run(["umount", folder], check=True, timeout=60)
