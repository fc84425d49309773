"""Fixtures for every test: the real peers live in tests/peers, one module each."""

pytest_plugins = ["tests.peers.dcmtk", "tests.peers.orthanc", "tests.peers.postgres"]
