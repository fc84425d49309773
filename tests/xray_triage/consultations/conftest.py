"""What the tests of answers share."""

from collections.abc import Iterator

import pytest

from tests.peers.orthanc import OrthancPeer
from tests.xray_triage.desk import TestDesk
from tests.xray_triage.rounds import Round


@pytest.fixture
def a_round(sqlite_desk: TestDesk, orthanc: OrthancPeer) -> Iterator[Round]:
    made = Round(sqlite_desk, orthanc)
    yield made
    made.archive.close()
