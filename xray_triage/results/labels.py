"""Where the names of findings stand on a film, so that none lies over another. Must never know a font or a picture."""

Spot = tuple[float, float, float]  # left, top, width of a label that lies there already


def free_place(
    width: float, corner: tuple[float, float], film_width: float, height: float, taken: list[Spot]
) -> tuple[float, float]:
    """The upper left corner of the next label, which is added to ``taken``.

    It stands above the outline whose upper left ``corner`` is given, inside the film, under the labels that lie there.
    """
    left = max(0.0, min(corner[0], film_width - width))
    top = max(0.0, corner[1] - height)
    for other_left, other_top, other_width in sorted(taken, key=lambda one: one[1]):
        beside = left + width <= other_left or other_left + other_width <= left
        if not beside and abs(top - other_top) < height:
            top = other_top + height
    taken.append((left, top, width))
    return left, top
