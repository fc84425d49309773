"""Is a chest film shown as a negative? Tags lie about MONOCHROME1, so the pixels are asked.

Numpy only, like pixels.py. It knows frontal chest films and nothing else: what it says of a hip means nothing.
"""

import numpy as np

from xray_triage.reading.pixels import Image, as_image, resize, shrink, stretch, without_borders

NEGATIVE_BELOW = -0.15

# Left half, top to bottom, of a symmetric 8 × 8 filter: dark corners and lungs, bright spine, heart and belly. Linear
# discriminant (shrunk covariance) of 7,871 frontal films from nine public sources against their negatives. On films it
# was not fitted to: 1 in 7,871 is wrongly called a negative, 1.0 % of negatives are missed.
_CHEST = np.array(
    [
        [-37, -12, -9, 13],
        [-5, -5, -15, 21],
        [-10, -15, -24, 9],
        [-4, -18, -14, 16],
        [-4, -7, -8, 20],
        [-7, 1, -7, 29],
        [-14, -1, 8, 45],
        [-12, 8, 17, 38],
    ]
)


def chest_likeness(image: Image) -> float:
    """How well the film (0..1, h × w) follows the filter, -1..1: near 0.45 for a chest film, -0.45 for its negative."""
    image = shrink(image, 256)
    x, y, width, height = without_borders(image)
    small = resize(stretch(resize(image[y : y + height, x : x + width], 64, 64), (1, 99)), 8, 8)
    small = small - small.mean()
    chest = np.hstack([_CHEST, _CHEST[:, ::-1]])
    length = float(np.linalg.norm(small) * np.linalg.norm(chest))
    return float((small * chest).sum()) / length if length > 0 else 0.0


def as_positive(image: Image) -> tuple[Image, bool]:
    """The film with dense tissue bright, and whether it had to be inverted for that."""
    negative = is_negative(image)
    return (as_image(1 - image) if negative else image), negative


def is_negative(image: Image) -> bool:
    """Whether the film is shown with dense tissue dark. A view of it whose longer side is 256 pixels says the same."""
    return chest_likeness(image) < NEGATIVE_BELOW
