"""What is printed for people and for programs: tables, progress bars, JSON lines. Knows no verb and no station."""

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import typer
from rich.console import Console
from rich.progress import Progress, TimeElapsedColumn, track
from rich.text import Text

T = TypeVar("T")
PIPE_COLUMNS = 160  # a table that goes to a file or a program need not fit a narrow screen


class Screen(Console):
    """Shows a control character in a name or a note as a sign: a terminal would obey it."""

    def render_str(self, text: str, **named: Any) -> Text:
        return super().render_str(CONTROL.sub("\ufffd", text), **named)


CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
out = Screen(highlight=False, markup=False, width=None if sys.stdout.isatty() else PIPE_COLUMNS)
err = Screen(stderr=True, highlight=False, markup=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """One line of JSON on standard output, Vietnamese letters as they are, what commands a terminal as ``\\u009b``."""
    line = json.dumps(value, ensure_ascii=False, default=str)
    typer.echo(CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", line))


def progress(items: Iterable[T], what: str, *, quiet: bool = False, total: float | None = None) -> Iterator[T]:
    """A bar on standard error while a person watches; nothing when output goes to a program."""
    yield from track(
        items, description=what, total=total, console=err, transient=True, disable=quiet or not err.is_terminal
    )


@contextmanager
def steps(what: str) -> Iterator[Callable[[int, int, str], None]]:
    """A bar as of ``progress`` for work that tells itself how far it is: so many done, of so many, of what."""
    columns = (*Progress.get_default_columns(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total, of: bar.update(task, completed=done, total=total, description=of)
