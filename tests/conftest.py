"""Fixtures for every test: the real peers live in tests/peers, one module each; needs.py marks who needs them."""

import pytest

import xray_triage.reading  # noqa: F401 -- first of all: it keeps ONNX Runtime from telling its maker of us
from tests.needs import needs

pytest_plugins = ["tests.peers.dcmtk", "tests.peers.orthanc", "tests.peers.postgres"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rehearse", action="store_true", help="do each fault as often as a release asks")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function):
            for name in needs(item):
                item.add_marker(name)
