"""The page of figures and its files, over HTTP; what stands in a spreadsheet."""

import csv
import io
import re
from collections.abc import Callable
from datetime import UTC, datetime

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.xray_triage.desk import MODEL, STATION, TestDesk, reading, unread
from xray_triage.accounts.audit import Action
from xray_triage.accounts.roles import Role
from xray_triage.assessment.cutoffs import judged_by_verdicts
from xray_triage.cases.figures.tally import Spread
from xray_triage.language import ENGLISH, VIETNAMESE
from xray_triage.reading.findings import Priority
from xray_triage.web.pages.figure_plots import duration
from xray_triage.web.pages.plots import Series, ranges, stacked
from xray_triage.web.pages.spreadsheet import BOM, Cell, csv_lines

Enter = Callable[..., httpx.Client]


def rows_of(answer: httpx.Response) -> list[dict[str, str]]:
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.content.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))


def test_the_page_shows_what_was_counted(enter: Enter, sqlite_desk: TestDesk) -> None:
    sqlite_desk.add(reading(Priority.URGENT))
    sqlite_desk.add(reading(Priority.NORMAL))
    page = enter().get("/figures").text

    assert "<title>01/06: khẩn cấp 1</title>" in page
    assert page.count("<figure") == 11
    assert "style=" not in page
    assert "<script>" not in page


def test_a_station_without_films_says_so_kindly(enter: Enter) -> None:
    assert "Chưa có phim nào trong khoảng này." in enter().get("/figures").text


@pytest.mark.parametrize(
    "query",
    ["by=week&count=52", "by=month", "by=year&count=-1", "count=1000000", "until=hôm qua", "until=0001-01-01",
     "until=9999-12-31", "by=week&until=1900-01-01", "by=month&count=24&until=1900-01-01", "by=&count=&until="],
)  # fmt: skip
def test_a_period_that_makes_no_sense_becomes_a_usual_one(enter: Enter, sqlite_desk: TestDesk, query: str) -> None:
    sqlite_desk.add(reading())
    browser = enter()
    assert browser.get(f"/figures?{query}").status_code == 200
    assert browser.get(f"/figures.csv?{query}").status_code == 200


def test_no_percentage_of_fewer_than_twenty_is_told(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    for _ in range(19):
        sqlite_desk.add(reading(Priority.URGENT))
    assert "100%" not in client.get("/figures").text
    last = sqlite_desk.add(reading(Priority.URGENT)).case_id
    assert "100%" in client.get("/figures").text  # of twenty
    sqlite_desk.casebook.give_verdict(last, agrees=True, note="", given_by="bs")
    assert client.get("/figures").text.count("100%") == 4  # urgent, and one finding of all, of a sex, of an age


def test_a_line_a_day_stands_in_the_file_of_figures(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    sqlite_desk.add(reading(Priority.URGENT))
    rows = rows_of(client.get("/figures.csv?count=7"))

    assert [row["start"] for row in rows][-1] == sqlite_desk.clock.now().astimezone().date().isoformat()
    assert len(rows) == 7
    assert {name: rows[-1][name] for name in ("films", "cases", "urgent", "normal", "arrival_to_page_n")} == {
        "films": "1", "cases": "1", "urgent": "1", "normal": "0", "arrival_to_page_n": "1",
    }  # fmt: skip


def test_findings_are_counted_by_week_sex_and_age_group(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    people = [{"PatientSex": "M", "PatientAge": "034Y"}] * 20 + [{"PatientSex": "F", "PatientAge": "071Y"}]
    for number, person in enumerate(people):
        said = reading(Priority.ABNORMAL, mass=0.7, nodule=0.1) if number < 5 else reading(Priority.NORMAL, mass=0.1)
        sqlite_desk.add(said, PatientBirthDate="", **person)
    sqlite_desk.add(unread(), PatientSex="M")  # which nobody read
    sqlite_desk.add(reading(Priority.ABNORMAL, mass=0.9), PatientSex="", PatientAge="", PatientBirthDate="")
    found = {(row["sex"], row["age_from"]): row for row in rows_of(client.get("/figures/findings.csv?by=week&count=8"))}
    assert {key: (row["films_read"], row["films_marked"]) for key, row in found.items()} == {
        ("M", "15"): ("20", "5"), ("F", "60"): ("1", "0"), ("", ""): ("1", "1"),
    }  # fmt: skip
    assert {(row["station"], row["start"], row["finding"]) for row in found.values()} == {
        (STATION, "2025-05-26", "mass")  # the Monday before
    }
    page = client.get("/figures?by=week").text
    table = page[page.index("findings-by-group") :]
    cells = re.findall(r'<td class="number">([^<]*)(?: <small>(\d+%)</small>)?</td>', table)
    assert cells[:7] == [("22", ""), ("20", ""), ("1", ""), ("0", ""), ("20", ""), ("0", ""), ("1", "")]
    assert cells[7:14] == [("6", "27%"), ("5", "25%"), ("0", ""), ("0", ""), ("5", "25%"), ("0", ""), ("0", "")]


def test_a_line_a_case_tells_everything_but_who_it_is(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    case_id = sqlite_desk.add(
        reading(Priority.URGENT, pneumothorax=0.93), patient_name="Nguyễn^Văn^An", patient_id="P4711"
    ).case_id
    sqlite_desk.add(unread("child"))
    answer = client.post(f"/api/cases/{case_id}/verdict", json={"agrees": False, "note": "=HYPERLINK(0) nếp da"})
    assert answer.json()["given_by"]
    sqlite_desk.consultations.request(case_id, question="bí mật", priority="urgent", requested_by="bs")
    answer = client.get("/figures/cases.csv")
    first, second = rows_of(answer)

    assert first["case_id"] == case_id
    assert first["findings"].startswith("pneumothorax 0.930/")
    assert (first["verdict"], first["verdict_note"]) == ("disagrees", "'=HYPERLINK(0) nếp da")
    assert first["verdict_by"]
    assert (first["consultation"], first["automatic"]) == ("requested", "no")
    assert (second["priority"], second["not_read"], second["findings"]) == ("not_read", "child", "")
    assert datetime.fromisoformat(first["received_at"]) == sqlite_desk.clock.now()
    assert first["station"] == STATION
    for private in ("Nguyễn", "P4711", "A0001", "bí mật", "1.2."):
        assert private not in answer.text


@pytest.mark.parametrize(
    ("seconds", "vi", "en"),
    [
        (0.84, "0,8 giây", "0.8 s"), (1291, "21 phút 31 giây", "21 min 31 s"), (3301, "55 phút 1 giây", "55 min 1 s"),
        (3600, "1 giờ", "1 h"), (3660, "1 giờ 1 phút", "1 h 1 min"), (90_000, "1 ngày", "1 d"),
    ],
)  # fmt: skip
def test_a_duration_has_a_unit_behind_every_number(seconds: float, vi: str, en: str) -> None:
    assert (duration(seconds, VIETNAMESE), duration(seconds, ENGLISH)) == (vi, en)


def test_what_leaves_the_station_is_noted(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    client.get("/figures.csv?count=7")
    client.get("/figures/cases.csv?by=month&count=6")
    noted = [one for one in sqlite_desk.audit.entries() if one.action is Action.EXPORTED]
    assert [(one.subject, one.detail) for one in noted] == [
        ("cases.csv", "2025-01-01 – 2025-06-01"), ("figures.csv", "2025-05-26 – 2025-06-01"),
    ]  # fmt: skip


def test_nobody_counts_without_the_right(stranger: httpx.Client, enter: Enter) -> None:
    for path in ("/figures", "/figures.csv", "/figures/cases.csv"):
        assert stranger.get(path, follow_redirects=False).status_code in (303, 401)
        assert enter(Role.TECHNICIAN).get(path).status_code == 200


def test_verdicts_given_by_the_page_reach_the_thresholds(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    for agrees in (True, False):
        case_id = sqlite_desk.add(reading(Priority.ABNORMAL, mass=0.7)).case_id
        assert client.post(f"/api/cases/{case_id}/verdict", json={"agrees": agrees}).status_code == 200

    for label, score in (("abnormal", 0.9), ("mass", 0.7)):
        judged = judged_by_verdicts(label, sqlite_desk.casebook.judged(), MODEL.sha256)
        assert sorted(zip(judged.scores, judged.truth, strict=True)) == [(score, False), (score, True)]


def read_back(rows: list[list[Cell]]) -> list[list[str]]:
    text = b"".join(csv_lines(["một"], rows)).decode()
    assert text.startswith(BOM)
    return list(csv.reader(io.StringIO(text.removeprefix(BOM), newline="")))[1:]


@pytest.mark.parametrize("begin", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1", "＝1", "\n=1"])
def test_what_begins_like_a_formula_is_made_text(begin: str) -> None:
    assert read_back([[begin]]) == [[f"'{begin}"]]


@pytest.mark.parametrize(
    ("note", "written"),
    [
        ("ok;=1+1", '"ok;\'=1+1"'),
        ("ok; +1", '"ok;\' +1"'),
        ("ok,@SUM(A1)", '"ok,\'@SUM(A1)"'),
        ("ok\n=1+1", '"ok\n\'=1+1"'),
        ("ok\t-1", '"ok\t\'-1"'),
        ("\u200b=1", "'\u200b=1"),
        ("\u00a0=1", "'\u00a0=1"),
        ("a;b", '"a;b"'),
        ('a"b', '"a""b"'),
        ("a=b-c", "a=b-c"),
        ("", ""),
    ],
)
def test_a_note_is_one_cell_and_no_formula_wherever_a_spreadsheet_splits(note: str, written: str) -> None:
    (line,) = list(csv_lines([], [[note]]))[1:]
    assert line.decode() == f"{written}\r\n"


def test_numbers_times_and_nothing_are_written_for_programs() -> None:
    moment = datetime(2026, 11, 22, 3, 30, tzinfo=UTC)
    assert read_back([[1, -2, 0.12345, None, 'Nguyễn; "đ", 1', moment]]) == [
        ["1", "-2", "0.123", "", 'Nguyễn; "đ", 1', moment.astimezone().isoformat(timespec="milliseconds")]
    ]


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), min_size=1))
def test_any_text_comes_back_and_never_as_a_formula(texts: list[str]) -> None:
    ((_, *back),) = read_back([[1, *texts]])
    for text, cell in zip(texts, back, strict=True):
        assert cell.replace("'", "") == text.replace("'", "")
        for part in re.split(r"[;,\t\r\n]", cell):
            assert part.lstrip()[:1] not in ("=", "+", "-", "@")


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), max_size=90))
def test_every_bar_lies_within_its_field_and_is_as_high_as_its_share(pairs: list[tuple[int, int]]) -> None:
    series = [Series("good", "a", [a for a, _ in pairs]), Series("open", "b", [b for _, b in pairs])]
    plot = stacked("x", "x", "", [str(place) for place in range(len(pairs))], series, str)
    top = float(plot.ticks[0][1])
    assert top >= max((a + b for a, b in pairs), default=0)
    assert sum(block.height for block in plot.blocks) == pytest.approx(sum(100 * (a + b) / top for a, b in pairs))
    for block in plot.blocks:
        assert -1e-6 <= block.x <= block.x + block.width <= 100 + 1e-6
        assert -1e-6 <= block.y <= block.y + block.height <= 100 + 1e-6


@given(st.lists(st.none() | st.tuples(st.floats(0, 1e8), st.floats(0, 1e8)), max_size=90))
def test_every_range_lies_within_its_field(pairs: list[tuple[float, float] | None]) -> None:
    spreads = [pair and Spread(n=3, median=min(pair), p95=max(pair)) for pair in pairs]
    plot = ranges("x", "x", "", [str(place) for place in range(len(pairs))], spreads, str, ["m", "p", "n"])
    for block in plot.blocks:
        assert -1e-6 <= block.y <= block.y + block.height <= 100 + 1e-6
    assert len(plot.ticks) >= 2
    assert plot.ticks[0][0] == pytest.approx(0)
