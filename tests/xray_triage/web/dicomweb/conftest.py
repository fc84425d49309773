"""Fixtures of the DICOMweb tests: somebody else's client on a real server over a desk."""

import pytest
import requests
from dicomweb_client import DICOMwebClient

from tests.xray_triage.desk import TestDesk
from tests.xray_triage.web.conftest import bearer


@pytest.fixture
def foreign(url: str, sqlite_desk: TestDesk) -> DICOMwebClient:
    """The client of the dicomweb-client package, with a doctor's token."""
    session = requests.Session()
    session.headers.update(bearer(sqlite_desk))
    return DICOMwebClient(f"{url}/dicom-web", session=session)
