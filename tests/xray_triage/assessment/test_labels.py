"""labels.csv is read for what it says; whatever is wrong with it is one line that names the place."""

from pathlib import Path

import pytest

from tests.factories import shared_folder
from xray_triage.assessment.labels import STUDY_KEYS, AssessmentError, find_pictures, read_labels


def write(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "labels.csv"
    path.write_text(text, encoding=encoding)
    return path


def test_one_is_there_zero_is_not_and_nothing_is_unknown(tmp_path: Path) -> None:
    path = write(tmp_path, "image,mass,nodule,edema,group,age,sex,ctr\na.png,1,0,,g7,047Y,m,0.48\n")
    key, (film,) = read_labels(path)
    assert (key, film.key, film.labels) == ("image", "a.png", {"mass": True, "nodule": False})
    assert (film.group, film.age_years, film.sex, film.ratio) == ("g7", 47, "M", 0.48)


def test_no_finding_stands_for_abnormal_turned_round_unless_abnormal_is_there(tmp_path: Path) -> None:
    films = read_labels(write(tmp_path, "image,no_finding\na.png,1\nb.png,0\nc.png,\n"))[1]
    assert [film.labels for film in films] == [{"abnormal": False}, {"abnormal": True}, {}]
    (film,) = read_labels(write(tmp_path, "image,no_finding,abnormal\na.png,1,1\n"))[1]
    assert film.labels == {"abnormal": True}


def test_a_table_of_excel_with_semicolons_and_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    (film,) = read_labels(write(tmp_path, "image;mass\nphim số 1.png;1\n", encoding="utf-8-sig"))[1]
    assert film.key == "phim số 1.png"


def test_films_of_one_patient_belong_together_and_others_stand_alone(tmp_path: Path) -> None:
    films = read_labels(write(tmp_path, "image,patient,mass\na.png,p1,1\nb.png,p1,0\nc.png,,0\n"))[1]
    assert [film.group for film in films] == ["p1", "p1", "c.png"]


@pytest.mark.parametrize(
    ("age", "years"), [("58", 58), ("47.0", 47), ("047Y", 47), ("006M", 0.5), ("1-5y", 1), ("", None), ("old", None)]
)
def test_ages_are_read_as_they_are_written(tmp_path: Path, age: str, years: float | None) -> None:
    (film,) = read_labels(write(tmp_path, f"image,mass,age\na.png,1,{age}\n"))[1]
    assert film.age_years == years


def test_only_lines_that_match_every_condition_count(tmp_path: Path) -> None:
    path = write(tmp_path, "image,mass,split,ward\na.png,1,test,x\nb.png,1,train,x\nc.png,0,test,y\n")
    assert [film.key for film in read_labels(path, where={"split": "test", "ward": "x"})[1]] == ["a.png"]
    with pytest.raises(AssessmentError, match="has no line with split=validation"):
        read_labels(path, where={"split": "validation"}, ignore=["ward"])


def test_cases_may_be_named_by_their_numbers(tmp_path: Path) -> None:
    path = write(tmp_path, "accession_number,tuberculosis\nA1,1\n")
    assert read_labels(path, keys=("image", *STUDY_KEYS))[0] == "accession_number"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is empty"),
        ("image,mass\n", "has no line under its header"),
        ("image,source\na.png,x\n", "has no label column"),
        ("mass\n1\n", "has no column image"),
        ("image,mass,mass\na.png,1,1\n", "column 'mass' stands twice"),
        ("image,pneumotorax\na.png,1\n", r"unknown column 'pneumotorax'; did you mean 'pneumothorax'\?"),
        ("image,mass,xyzzy\na.png,1,1\n", "unknown column 'xyzzy'; labels are .*--ignore 'xyzzy'"),
        ("image,mass\na.png,yes\n", "line 2: mass is 'yes'; write 1"),
        ("image,mass\na.png,1\nb.png,-1\n", "line 3: mass is '-1'"),
        ("image,no_finding\na.png,2\n", "line 2: no_finding is '2'"),
        ("image,mass\na.png,1,0\n", "line 2: 3 cells under 2 columns"),
        ("image,mass\na.png,1\n\nb.png,1\na.png,0\n", "line 5: a.png stands in line 2 already"),
        ("image,mass\n,1\n", "line 2: image is empty"),
        ("image,mass,ctr\na.png,1,0.5.1\n", "line 2: ctr is '0.5.1'"),
        ("image,mass,ctr\na.png,1,52\n", "line 2: ctr is '52'"),
        ("image,mass\na.png,nan\n", "mass is 'nan'"),
    ],
)
def test_a_mistake_is_one_line_that_names_it(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(AssessmentError, match=why) as told:
        read_labels(write(tmp_path, text))
    assert "\n" not in str(told.value)


def test_a_file_that_is_no_utf_8_or_no_table_is_said(tmp_path: Path) -> None:
    with pytest.raises(AssessmentError, match=r"is not UTF-8 text \(byte 11\)"):
        read_labels(write(tmp_path, "image,mass\né.png,1\n", encoding="latin-1"))
    (tmp_path / "labels.csv").write_bytes(b'image,mass\n"a.png,1\n')
    with pytest.raises(AssessmentError, match="is no CSV"):
        read_labels(tmp_path / "labels.csv")


def test_an_unknown_column_may_be_passed_over_but_must_be_there(tmp_path: Path) -> None:
    path = write(tmp_path, "image,mass,xyzzy\na.png,1,1\n")
    assert len(read_labels(path, ignore=["xyzzy"])[1]) == 1
    with pytest.raises(AssessmentError, match="has no column 'xyz'"):
        read_labels(path, ignore=["xyzzy", "xyz"])


def test_films_lie_beside_the_table_or_in_images_or_where_one_says(tmp_path: Path) -> None:
    for name in ("a.png", "images/b.png", "other/c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    path = write(tmp_path, "image,mass\na.png,1\nb.png,1\n")
    assert [p.name for p in find_pictures(path, read_labels(path)[1], None)] == ["a.png", "b.png"]
    path = write(tmp_path, "image,mass\nc.png,1\n")
    assert find_pictures(path, read_labels(path)[1], tmp_path / "other") == [tmp_path / "other" / "c.png"]


def test_missing_films_are_counted_and_the_first_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    path = write(tmp_path, "image,mass\na.png,1\n" + "".join(f"b{n}.png,1\n" for n in range(5)))
    with pytest.raises(AssessmentError, match=r"5 of 6 films are not in .*: b0.png, b1.png, b2.png, …; see --films"):
        find_pictures(path, read_labels(path)[1], None)


def test_the_table_of_the_shared_films_is_read_as_it_is() -> None:
    films = read_labels(shared_folder() / "data" / "cxr" / "labels.csv")[1]
    assert len(films) > 7000
    assert {"abnormal", "pneumothorax"} <= {name for film in films for name in film.labels}
