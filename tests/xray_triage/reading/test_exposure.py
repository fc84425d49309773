"""When a film was exposed, by headers good and bad."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import config
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from xray_triage.reading.acquisition import exposed_at

RECEIVED = datetime(2026, 11, 22, 3, 30, tzinfo=UTC)
HANOI = {"TimezoneOffsetFromUTC": "+0700"}


def header(**values: str) -> Dataset:
    dataset = Dataset()
    for keyword, value in values.items():
        dataset.add(DataElement(keyword, "LO", value, validation_mode=config.IGNORE))
    return dataset


def exposed(**values: str) -> str | None:
    found = exposed_at(header(**values), received_at=RECEIVED)
    return found.astimezone(UTC).isoformat() if found else None


def test_the_acquisition_is_believed_before_the_content_and_the_study() -> None:
    study = {"StudyDate": "20261122", "StudyTime": "100000"}
    content = {"ContentDate": "20261122", "ContentTime": "101000"}
    acquisition = {"AcquisitionDate": "20261122", "AcquisitionTime": "102000.5"}
    assert exposed(**HANOI, **study) == "2026-11-22T03:00:00+00:00"
    assert exposed(**HANOI, **study, **content) == "2026-11-22T03:10:00+00:00"
    assert exposed(**HANOI, **study, **content, **acquisition) == "2026-11-22T03:20:00.500000+00:00"
    whole = {"AcquisitionDateTime": "20261122102500"}
    assert exposed(**HANOI, **study, **content, **acquisition, **whole) == "2026-11-22T03:25:00+00:00"


def test_a_nonsense_time_gives_way_to_the_next_one() -> None:
    wrong = {"AcquisitionDate": "19000101", "AcquisitionTime": "000000"}
    assert exposed(**HANOI, **wrong, StudyDate="20261122", StudyTime="10") == "2026-11-22T03:00:00+00:00"


@pytest.mark.parametrize(
    ("stated", "found"),
    [
        ("20261122102500+0800", "2026-11-22T02:25:00+00:00"),  # its own offset
        ("202611221025", "2026-11-22T03:25:00+00:00"),
        ("20261122102560", "2026-11-22T03:25:59+00:00"),  # a leap second
        ("20261123102000", "2026-11-23T03:20:00+00:00"),  # its clock is ahead, but not by more than a day
        ("20261123103100", None),
        ("20161120000000", None),  # ten years old
        ("20261122", None),  # a day is no time
        ("20261322102500", None),
        ("20261122252500", None),
        ("00010101000000", None),
        ("99991231235959-1200", None),
        ("hôm nay", None),
        ("", None),
    ],
)
def test_what_a_header_says_is_read_or_left(stated: str, found: str | None) -> None:
    assert exposed(**HANOI, AcquisitionDateTime=stated) == found


def test_the_old_way_of_writing_is_read() -> None:
    assert exposed(**HANOI, StudyDate="2026.11.22", StudyTime="10:25:00") == "2026-11-22T03:25:00+00:00"


@pytest.mark.parametrize("offset", ["", "0700", "+9900", "+0799", "giờ Hà Nội"])
def test_without_an_offset_the_clock_is_that_of_this_computer(offset: str) -> None:
    local = RECEIVED.astimezone().strftime("%Y%m%d%H%M%S")
    found = exposed_at(header(TimezoneOffsetFromUTC=offset, AcquisitionDateTime=local), received_at=RECEIVED)
    assert found == RECEIVED


@given(st.text(), st.text(), st.text())
def test_no_text_whatever_makes_it_fail(day: str, time: str, offset: str) -> None:
    found = exposed_at(
        header(StudyDate=day, StudyTime=time, TimezoneOffsetFromUTC=offset, AcquisitionDateTime=day + time),
        received_at=RECEIVED,
    )
    assert found is None or found.tzinfo is not None
