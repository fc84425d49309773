"""A result as programs, list and page are told of it. Knows no database.

Here alone it is said how far it is signed and sent.
"""

from xray_triage.cases.shapes import ResultJson
from xray_triage.records.result import Draft, Result


def shape_of(written: Result | Draft) -> ResultJson:
    """What was written of a case: its newest version, or a draft where there is none."""
    is_draft = isinstance(written, Draft)
    return ResultJson(
        state="draft" if is_draft else written.state.value,
        version=0 if is_draft else written.version,
        author=written.author.name,
        licence=written.author.licence,
        signed=False,
        at=written.saved_at if is_draft else written.made_at,
        description=written.words.description,
        conclusion=written.words.conclusion,
        advice=written.words.advice,
        adopts_answer=written.words.adopts or None,
        reason="" if is_draft else written.reason,
        records=[],
    )
