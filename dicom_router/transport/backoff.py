"""How long to wait before the next try. Pure; it never says "give up"."""

import math


def delay(attempts: int, *, base_seconds: float = 2, cap_seconds: float = 300, jitter: float) -> float:
    """Seconds to wait after ``attempts`` failed tries: doubling from the base, capped, for ever.

    ``jitter`` 0..1 spreads peers that failed together: it takes up to half of the delay away.
    """
    doublings = min(max(attempts - 1, 0), math.ceil(math.log2(max(cap_seconds / base_seconds, 1))))
    return min(cap_seconds, math.ldexp(base_seconds, doublings)) * (1 - jitter / 2)
