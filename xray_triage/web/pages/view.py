"""Fills the templates, in the visitor's language. Knows no route.

In every template: ``_`` (Vietnamese message, ``name=value`` for its ``%(name)s``), ``language``, ``words``,
``station_name``, ``Priority``, ``Right``, and ``visitor`` and ``now``, which imported macros do not see.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from dicom_router.clock import Clock
from xray_triage.accounts.roles import Right
from xray_triage.language import LANGUAGES, Language
from xray_triage.reading.findings import Priority
from xray_triage.web.security.visitor import Visitor
from xray_triage.web.words.cases import Words

TEMPLATES = Path(__file__).parent.parent / "templates"


class View:
    """The templates, once for each language."""

    def __init__(self, station_name: str, *, clock: Clock) -> None:
        self._clock = clock
        self.station_name = station_name
        self._environments = {code: _environment(Language(code), station_name) for code in LANGUAGES}

    def render(self, template: str, visitor: Visitor, /, **context: Any) -> bytes:
        """``template`` filled in for ``visitor``."""
        found = self._environments[visitor.language].get_template(template)
        return found.render(visitor=visitor, now=self._clock.now(), **context).encode()


def _environment(language: Language, station_name: str) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["capitalize"] = capitalize
    environment.globals.update(
        _=_sayer(language),
        language=language,
        words=Words(language),
        station_name=station_name,
        Priority=Priority,
        Right=Right,
    )
    return environment


def capitalize(words: str) -> str:
    """With a capital at its beginning; Jinja's own would make "Ai" of "AI"."""
    return words[:1].upper() + words[1:]


def _sayer(language: Language) -> Callable[..., Markup]:
    """What templates say a message with; its values are escaped."""

    def say(message: str, /, **values: Any) -> Markup:
        return Markup(language.translate(message, count=values.get("n"))) % values  # noqa: S704 - of our catalogue

    return say
