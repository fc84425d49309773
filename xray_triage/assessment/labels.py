"""labels.csv: what people know of films, line by line. A mistake in it is one line that names it; nothing is guessed.

It must never know models or pixels.
"""

import csv
import difflib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from xray_triage.reading.findings import ABNORMAL, KINDS

IMAGE, STUDY_KEYS = "image", ("accession_number", "study_instance_uid")
LABELS = (*KINDS, ABNORMAL)
NO_FINDING = "no_finding"
USED = ("source", "group", "patient", "age", "sex", "ctr", NO_FINDING)
CARRIED = ("view", "label_raw", "width", "height", "boxes_xywh_512", "split")  # known, of no use here
COLUMNS = (IMAGE, *STUDY_KEYS, *USED, *CARRIED, *LABELS)
_AGE = re.compile(r"0*(\d{1,3}(?:\.\d+)?)(?:-\d+)?\s*([YMWD]?)", re.IGNORECASE)
_PER_YEAR = {"": 1.0, "Y": 1.0, "M": 12.0, "W": 52.18, "D": 365.25}
SHOWN = 3  # names in an error


class AssessmentError(Exception):
    """The figures cannot be made; the message is one line that says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledFilm:
    """One line. ``key`` is the picture's path as written, or the study's number; ``labels`` holds what is known.

    ``group`` binds films that are not independent (one patient's). ``ratio`` is the drawn cardiothoracic one.
    """

    line: int
    key: str
    labels: Mapping[str, bool]
    source: str = ""
    group: str = ""
    age_years: float | None = None
    sex: str = ""
    ratio: float | None = None


def read_labels(
    path: Path,
    *,
    keys: Sequence[str] = (IMAGE,),
    where: Mapping[str, str] | None = None,
    ignore: Collection[str] = (),
) -> tuple[str, list[LabelledFilm]]:
    """The first of ``keys`` that is a column, and the lines whose cells are as ``where`` says. Raises AssessmentError.

    UTF-8, parted by commas or semicolons. A column that is neither known nor in ``where`` nor in ``ignore`` is an
    error: a label spelt wrong must not go unmeasured.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            first = stream.readline()
            stream.seek(0)
            reader = csv.reader(stream, delimiter=";" if first.count(";") > first.count(",") else ",", strict=True)
            lines = [(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except UnicodeDecodeError as error:
        raise AssessmentError(f"{path} is not UTF-8 text (byte {error.start}): save it as CSV UTF-8") from error
    except csv.Error as error:
        raise AssessmentError(f"{path} is no CSV: {error}") from error
    if not lines:
        raise AssessmentError(f"{path} is empty; its first line must name the columns, {keys[0]} among them")
    header = [cell.strip() for cell in lines[0][1]]
    key = _check_header(path, header, keys=keys, allowed={*(where or {}), *ignore})
    films = []
    for number, cells in lines[1:]:
        if len(cells) != len(header):
            raise AssessmentError(f"{path} line {number}: {len(cells)} cells under {len(header)} columns")
        row = dict(zip(header, (cell.strip() for cell in cells), strict=True))
        if all(row[column] == value for column, value in (where or {}).items()):
            films.append(_film(path, number, row, key))
    if not films:
        wanted = " and ".join(f"{column}={value}" for column, value in (where or {}).items())
        raise AssessmentError(f"{path} has no line" + (f" with {wanted}" if wanted else " under its header"))
    _check_once(path, films)
    return key, films


def find_pictures(csv_path: Path, films: Iterable[LabelledFilm], folder: Path | None) -> list[Path]:
    """The file of every film: in ``folder``, else beside the CSV, else in ``images/`` there. Raises AssessmentError."""
    folders = [folder] if folder else [csv_path.parent, csv_path.parent / "images"]
    found, missing = [], []
    for film in films:
        path = next((each / film.key for each in folders if (each / film.key).is_file()), None)
        missing += [film.key] if path is None else []
        found += [] if path is None else [path]
    if missing:
        looked = " or ".join(str(each) for each in folders)
        raise AssessmentError(
            f"{len(missing)} of {len(missing) + len(found)} films are not in {looked}: {_some(missing)}; see --films"
        )
    return found


def _check_header(path: Path, header: Sequence[str], *, keys: Sequence[str], allowed: Collection[str]) -> str:
    twice = next((name for name in header if name and header.count(name) > 1), None)
    if twice is not None:
        raise AssessmentError(f"{path}: column {twice!r} stands twice")
    absent = next((name for name in allowed if name not in header), None)
    if absent is not None:
        raise AssessmentError(f"{path} has no column {absent!r}; it has {', '.join(header)}")
    strange = next((name for name in header if name not in COLUMNS and name not in allowed), None)
    if strange is not None:
        near = difflib.get_close_matches(strange, COLUMNS, 1)
        meant = f"did you mean {near[0]!r}?" if near else f"labels are {', '.join(LABELS)}"
        raise AssessmentError(f"{path}: unknown column {strange!r}; {meant} To pass over it: --ignore {strange!r}")
    key = next((name for name in keys if name in header), None)
    if key is None:
        raise AssessmentError(f"{path} has no column {' or '.join(keys)}")
    if not {*LABELS, NO_FINDING}.intersection(header):
        raise AssessmentError(f"{path} has no label column; labels are {', '.join(LABELS)}, or {NO_FINDING}")
    return key


def _film(path: Path, line: int, row: Mapping[str, str], key: str) -> LabelledFilm:
    if not row[key]:
        raise AssessmentError(f"{path} line {line}: {key} is empty")
    where = f"{path} line {line}"
    known = {name: _yes_or_no(where, name, row[name]) for name in LABELS if row.get(name)}
    if row.get(NO_FINDING) and ABNORMAL not in row:
        known[ABNORMAL] = not _yes_or_no(where, NO_FINDING, row[NO_FINDING])
    return LabelledFilm(
        line=line,
        key=row[key],
        labels=known,
        source=row.get("source", ""),
        group=row.get("group") or row.get("patient") or row[key],
        age_years=_years(row.get("age", "")),
        sex=row.get("sex", "")[:1].upper() if row.get("sex", "").lower() in ("m", "f", "male", "female") else "",
        ratio=_ratio(where, row.get("ctr", "")),
    )


def _yes_or_no(where: str, name: str, text: str) -> bool:
    if text not in ("0", "1", "0.0", "1.0"):
        raise AssessmentError(f"{where}: {name} is {text!r}; write 1 (there), 0 (not there) or nothing (unknown)")
    return text[0] == "1"


def _years(text: str) -> float | None:
    """``58``, ``47.0``, ``047Y``, ``006M``; None where no age is to be read out of it."""
    found = _AGE.fullmatch(text)
    return float(found[1]) / _PER_YEAR[found[2].upper()] if found else None


def _ratio(where: str, text: str) -> float | None:
    try:
        ratio = float(text) if text else None
    except ValueError:
        ratio = -1.0
    if ratio is not None and not 0 < ratio < 1:
        raise AssessmentError(f"{where}: ctr is {text!r}; write a ratio between 0 and 1, or nothing")
    return ratio


def _check_once(path: Path, films: Sequence[LabelledFilm]) -> None:
    first: dict[str, int] = {}
    for film in films:
        if film.key in first:
            raise AssessmentError(f"{path} line {film.line}: {film.key} stands in line {first[film.key]} already")
        first[film.key] = film.line


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")
