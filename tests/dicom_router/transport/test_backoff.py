"""Waiting between tries: growing, capped, spread, never ending."""

from hypothesis import given
from hypothesis import strategies as st

from dicom_router.transport.backoff import delay


def test_delays_double_from_the_base_to_the_cap() -> None:
    assert [delay(attempts, jitter=0) for attempts in range(1, 11)] == [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


def test_jitter_takes_at_most_half_away() -> None:
    assert [delay(3, jitter=jitter) for jitter in (0, 0.5, 1)] == [8, 6, 4]


@given(
    attempts=st.integers(min_value=-5, max_value=10**12),
    base=st.floats(min_value=0.01, max_value=60),
    cap=st.floats(min_value=0.01, max_value=3600),
    jitter=st.floats(min_value=0, max_value=1),
)
def test_a_delay_is_positive_and_never_over_the_cap(attempts: int, base: float, cap: float, jitter: float) -> None:
    seconds = delay(attempts, base_seconds=base, cap_seconds=cap, jitter=jitter)
    assert 0 < seconds <= cap
    assert seconds <= delay(attempts + 1, base_seconds=base, cap_seconds=cap, jitter=jitter)
