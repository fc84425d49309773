"""Which machine made a film, by headers as they come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from tests.xray_triage.films import film
from xray_triage.reading.acquisition import LONGEST, Machine, machine_of


def test_a_machine_is_named_by_three_attributes_without_stray_blanks() -> None:
    named = machine_of(film(Manufacturer=" Carestream  Health ", ManufacturerModelName="DRX", StationName="PHÒNG 1"))
    assert named == Machine(manufacturer="Carestream Health", model="DRX", station="PHÒNG 1")
    assert str(named) == "Carestream Health, DRX, PHÒNG 1"


def test_a_film_that_names_none_is_of_a_machine_too() -> None:
    assert machine_of(Dataset()) == Machine()
    assert str(Machine()) == ""


@pytest.mark.filterwarnings("ignore::UserWarning")  # real headers are as long, and as odd, as they like
@given(st.text(max_size=300))
def test_no_header_makes_a_name_without_end(text: str) -> None:
    dataset = Dataset()
    dataset.Manufacturer = text
    assert len(machine_of(dataset).manufacturer) <= LONGEST
