"""Names of findings on a film: inside it, and none over another."""

from hypothesis import given
from hypothesis import strategies as st

from xray_triage.results.labels import Spot, free_place

FILM_WIDTH, HEIGHT = 400.0, 20.0
LABELS = st.lists(
    st.tuples(st.floats(5, FILM_WIDTH), st.tuples(st.floats(-50, FILM_WIDTH + 50), st.floats(0, 500))), max_size=12
)


@given(LABELS)
def test_labels_stand_inside_the_film_and_never_over_another(labels: list[tuple[float, tuple[float, float]]]) -> None:
    taken: list[Spot] = []
    for width, corner in labels:
        left, top = free_place(width, corner, FILM_WIDTH, HEIGHT, taken)
        assert 0 <= left <= FILM_WIDTH - width
        assert top >= 0
        for other_left, other_top, other_width in taken[:-1]:
            beside = left >= other_left + other_width or other_left >= left + width
            assert beside or abs(top - other_top) >= HEIGHT - 1e-6
