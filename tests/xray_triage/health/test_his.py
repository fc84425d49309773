"""What is said of the orders of the HIS: where they come in, when the last one did, and that films come anyway."""

from datetime import datetime

import pytest

from xray_triage.health.checks import CheckState, ready
from xray_triage.health.his import his_check


@pytest.mark.parametrize(
    ("last_at", "problem", "state", "said"),
    [
        (None, "", CheckState.OK, "MLLP 0.0.0.0:2575"),
        (datetime(2025, 6, 1, 8, 15).astimezone(), "", CheckState.OK, "01/06/2025 08:15"),
        (None, "a.hl7: Permission denied", CheckState.WARNING, "[orders] folder"),
    ],
)
def test_a_person_is_told_where_orders_come_in_and_when(
    last_at: datetime | None, problem: str, state: CheckState, said: str
) -> None:
    told = his_check("MLLP 0.0.0.0:2575", last_at, problem)
    assert (told.state, told.detail, ready([told])) == (state, problem, True)
    assert all(said in words for words in told.said.values())
    assert told.said["vi"] != told.said["en"]
