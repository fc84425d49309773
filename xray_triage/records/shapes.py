"""A result as programs, list and page are told of it. Knows no database.

Here alone it is said how far it is signed and sent.
"""

from collections.abc import Sequence

from xray_triage.cases.shapes import RecordJson, ResultJson
from xray_triage.records.outbox import RecordDelivery
from xray_triage.records.result import Draft, Result


def shape_of(written: Result | Draft, sent: Sequence[RecordDelivery] = (), *, is_signed: bool = False) -> ResultJson:
    """What was written of a case: its newest version, or a draft where there is none; ``sent``: of any version."""
    if isinstance(written, Draft):
        state, version, at, reason = "draft", 0, written.saved_at, ""
    else:
        state, version, at, reason = written.state.value, written.version, written.made_at, written.reason
    return ResultJson.model_validate(
        {
            "state": state,
            "version": version,
            "author": written.author.name,
            "licence": written.author.licence,
            "signed": is_signed,
            "at": at,
            "description": written.words.description,
            "conclusion": written.words.conclusion,
            "advice": written.words.advice,
            "adopts_answer": written.words.adopts or None,
            "reason": reason,
            "records": [RecordJson.model_validate(each) for each in sent if each.version == version],
        }
    )
