"""Is the station well? What a check is; those in plain words are in the modules beside this one. Knows no store.

A check is a callable without arguments that gives a Check and does not raise. station/self_check.py makes them from
the functions of this room, for the page, /readyz and the CLI's ``check``.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from xray_triage.language import LANGUAGES, Language


class CheckState(StrEnum):
    """OK; WARNING: work goes on, a person should look; BAD: a film could not be taken or read now."""

    OK = "ok"
    WARNING = "warning"
    BAD = "bad"


OK, WARNING, BAD = CheckState.OK, CheckState.WARNING, CheckState.BAD


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One answer. ``said``: by language, what is wrong and what to do; ``detail`` is for the engineer."""

    name: str
    state: CheckState
    said: Mapping[str, str] = field(hash=False)  # the page remembers answers by what the checks say
    detail: str = ""


Probe = Callable[[], Check]


class Health:
    """The checks of one station, in the order they were given."""

    def __init__(self, probes: Iterable[Probe]) -> None:
        self._probes = tuple(probes)

    def report(self) -> list[Check]:
        return [probe() for probe in self._probes]


def troubles(report: Sequence[Check]) -> list[Check]:
    """What is not OK, the worst first."""
    return sorted((check for check in report if check.state is not OK), key=lambda check: check.state is not BAD)


def ready(report: Sequence[Check]) -> bool:
    """Whether a film could be taken and read now."""
    return all(check.state is not BAD for check in report)


def check(name: str, state: CheckState, message: str, /, *, detail: str = "", **values: object) -> Check:
    """A check that says ``message`` (Vietnamese, of the catalogue) with its ``values``."""
    said = {code: Language(code).say(message, **values) for code in LANGUAGES}
    return Check(name=name, state=state, said=said, detail=detail)
