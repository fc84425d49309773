"""In which order the answers of a case stand, and which of them another one replaces. Knows no database and no page."""

import heapq
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from xray_triage.cases.consultation import Answer, Standing

# What replaces another: never what weighs less. A draft takes no report back, and no program a person's word.
WEIGHT = {Standing.MARK: 0, Standing.MACHINE: 0, Standing.PRELIMINARY: 1, Standing.FINAL: 2}


def in_order(answers: Sequence[Answer]) -> list[Answer]:
    """Each after its predecessors, else by the time that it states, else as it came; the replaced ones say so.

    Documents that name one another in a circle stand by their times, and the later replaces the earlier.
    """
    by_time = {answer.sop_instance_uid: answer for answer in sorted(answers, key=_place)}
    placed: dict[str, Answer] = {}
    replaced: set[str] = set()
    for uid in _walk(by_time):
        answer = placed[uid] = by_time[uid]
        older = [placed[name] for name in answer.predecessors if name != uid and name in placed]
        if not answer.is_addendum:
            replaced |= {one.sop_instance_uid for one in older if WEIGHT[one.standing] <= WEIGHT[answer.standing]}
    return [replace(one, standing=Standing.SUPERSEDED) if uid in replaced else one for uid, one in placed.items()]


def _walk(by_time: dict[str, Answer]) -> Iterator[str]:
    """Every UID once, the earliest of those all of whose predecessors were told; of a circle simply the earliest."""
    place = {uid: number for number, uid in enumerate(by_time)}
    before = {uid: {*one.predecessors} & by_time.keys() - {uid} for uid, one in by_time.items()}
    after = defaultdict[str, list[str]](list)
    for uid, names in before.items():
        for name in names:
            after[name].append(uid)
    ready = [(place[uid], uid) for uid in by_time if not before[uid]]
    told: set[str] = set()
    for earliest in by_time:
        if not ready and earliest not in told:
            ready = [(place[earliest], earliest)]
        while ready:
            _, uid = heapq.heappop(ready)
            if uid in told:
                continue
            told.add(uid)
            yield uid
            for name in after[uid]:
                before[name].discard(uid)
                if not before[name] and name not in told:
                    heapq.heappush(ready, (place[name], name))


def _place(answer: Answer) -> tuple[datetime, bool, int]:
    """No clock ahead of ours makes an answer later than it came; of one moment, the verified one is the later."""
    stated = answer.written_at or answer.received_at
    return min(stated, answer.received_at), answer.verified, answer.answer_id
