"""Fixtures for every test: the real peers live in tests/peers, one module each."""

import xray_triage.reading  # noqa: F401 -- first of all: it keeps ONNX Runtime from telling its maker of us

pytest_plugins = ["tests.peers.dcmtk", "tests.peers.orthanc", "tests.peers.postgres"]
