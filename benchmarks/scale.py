"""Scale: what a claim, the worklist, a search and the figures cost when a station has worked for years.

The cases lie in a SQLite file as years.py makes them; pages are asked for over HTTP with a bearer token, each after a
commit, so that no answer is remembered.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx

from benchmarks.report import Row, publish, summarise
from benchmarks.years import fill
from tests.databases import open_in
from tests.xray_triage.desk import PACS, TestDesk, open_desk
from xray_triage.accounts.audit import Action
from xray_triage.cases.casebook import Casebook
from xray_triage.cases.figures.figure_book import FigureBook
from xray_triage.cases.period import Period, Step
from xray_triage.config.sections import WebSection
from xray_triage.web.server import WebServer

TARGETS = {"claim": "5 ms", "page /figures": "300 ms", "page": "100 ms"}
COMMON, RARE, ABSENT = "nguyen van", "nguyen thi minh linh", "khong ai ca"
Deed = Callable[[], object]


def measure(folder: Path, cases: int, *, times: int) -> list[Row]:
    """A row a measure, in milliseconds, on a database with so many cases."""
    database = open_in(folder / f"{cases}.db")
    desk = open_desk(database, folder)
    fill(database, cases, now=desk.clock.now())
    server = WebServer(WebSection(port=0), desk.app())  # type: ignore[arg-type]
    server.start()
    headers = {"Authorization": f"Bearer {desk.token()}"}
    try:
        with httpx.Client(base_url=server.url, headers=headers, timeout=60) as client:
            return [
                {"cases": cases, "measure": name, **_timed(desk, step, times), "to reach": _target(name)}
                for name, step in (*_queries(desk), *_requests(client))
            ]
    finally:
        server.stop()
        database.close()


def _target(name: str) -> str:
    return next((target for start, target in TARGETS.items() if name.startswith(start)), "")


def _timed(desk: TestDesk, step: Deed, times: int) -> dict[str, float | int]:
    """Each after a commit of something else. The first one, which fills caches, is left out."""
    step()
    found = []
    for _ in range(times):
        desk.audit.note(Action.CASE_SEEN, actor="benchmark")
        started = time.perf_counter()
        step()
        found.append(1000 * (time.perf_counter() - started))
    return summarise(found, digits=2)


def _queries(desk: TestDesk) -> Iterator[tuple[str, Deed]]:
    book, figures = desk.casebook, FigureBook(desk.database, clock=desk.clock)
    today = desk.clock.now().astimezone().date()
    seen = book.cases(priority="normal", limit=1)[0]
    yield "claim", lambda: desk.outbox.claim(PACS, "light")  # each another one: WAITING films have three
    yield "query, worklist", book.cases
    yield "query, next page", lambda: book.cases(before=seen.case_id)
    for name, words in (("common", COMMON), ("rare", RARE), ("absent", ABSENT), ("a number", seen.accession_number)):
        yield f"query, search {name}", lambda words=words: _search(book, words)  # type: ignore[misc]
    yield "query, a day", lambda: book.cases(search=f"{today:01/%m/%Y}")
    yield "query, counts", desk.gauges.counts
    yield "query, earlier film", lambda: book.earlier(seen)
    yield "query, figures of 30 days", lambda: figures.figures(Period(Step.DAY, 30, today))
    yield "query, figures of 12 months", lambda: figures.figures(Period(Step.MONTH, 12, today))


def _search(book: Casebook, words: str) -> object:
    return book.cases(search=words)


def _requests(client: httpx.Client) -> Iterator[tuple[str, Deed]]:
    def get(path: str) -> Deed:
        return lambda: client.get(path).raise_for_status()

    yield "page /", get("/")
    yield "page, all that nobody has seen", get("/?state=unseen")  # every case
    yield "page, the next case", get("/next")
    yield "page, search common", get(f"/?q={COMMON}")
    yield "page, search rare", get(f"/?q={RARE}")
    yield "page, search absent", get(f"/?q={ABSENT}")
    yield "API, 100 cases", get("/api/cases?limit=100")
    yield "page /figures of 30 days", get("/figures")
    yield "page /figures of 52 weeks", get("/figures?by=week&count=52")
    yield "page /figures of 12 months", get("/figures?by=month")


def main() -> None:
    """Measure, print, write."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--cases", type=int, nargs="+", default=[1000, 100_000])
    options.add_argument("--million", action="store_true", help="1,000,000 cases too: five minutes and 6 GB of disk")
    options.add_argument("--times", type=int, default=30, help="of each measure")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="xray-triage-bench-") as folder:
        rows = [
            row
            for cases in (*chosen.cases, *([1_000_000] if chosen.million else []))
            for row in measure(Path(folder), cases, times=chosen.times)
        ]
    note = "milliseconds, on SQLite; a page's time is that of its HTTP answer: who asks, the query, the template"
    publish("scale", rows=rows, settings={"times": chosen.times}, notes=[note])


if __name__ == "__main__":
    main()
