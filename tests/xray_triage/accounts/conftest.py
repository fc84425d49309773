"""Fixtures of the accounts' tests."""

import pytest
from argon2 import PasswordHasher

from dicom_router.store.database import Database
from tests.factories import StoppedClock
from xray_triage.accounts.accounts import Accounts
from xray_triage.accounts.roles import Role

QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
PASSWORD = "thach-an-2025"


@pytest.fixture
def clock() -> StoppedClock:
    """The station's clock, stopped."""
    return StoppedClock()


@pytest.fixture
def accounts(database: Database, clock: StoppedClock) -> Accounts:
    """The accounts of a station with one admin and one doctor, once over each database."""
    opened = Accounts.of(database, clock=clock, idle_minutes=30, hasher=QUICK)
    opened.users.add("admin", role=Role.ADMIN, password=PASSWORD)
    opened.users.add("Mai", role=Role.DOCTOR, full_name="BS. Trần Thị Mai", password=PASSWORD)
    return opened
