"""The long form has its time."""

import pytest

from tests.fuzzing import LONG

HOURS_SECONDS = 4 * 3600


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if LONG:
        for item in items:
            item.add_marker(pytest.mark.timeout(HOURS_SECONDS))
