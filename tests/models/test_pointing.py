"""Drawn boxes are read as they are written, and a mark counts by its middle."""

import numpy as np
import pytest

from models import pointing
from xray_triage.reading.findings import Box
from xray_triage.reading.radiograph import Radiograph

pytestmark = pytest.mark.workshop


def test_boxes_are_read_with_our_names_and_strangers_left_out() -> None:
    text = "Effusion:10,20,30,40;Infiltrate:1.5,2,3,4;Fracture:0,0,1,1"
    assert pointing.boxes(text) == [
        ("pleural_effusion", (10.0, 20.0, 30.0, 40.0)),
        ("infiltration", (1.5, 2.0, 3.0, 4.0)),
    ]


@pytest.mark.parametrize(("box", "hit"), [(Box(100, 100, 100, 100), True), (Box(500, 500, 200, 200), False)])
def test_a_mark_counts_by_its_middle_in_the_frame_of_the_boxes(box: Box, hit: bool) -> None:
    film = Radiograph(image=np.zeros((8, 8), np.float32), rows=1024, columns=1024)
    assert pointing.holds_middle((50.0, 50.0, 50.0, 50.0), box, film) is hit
