"""Which colour a finding has, the same in the picture and on the page. Must never know how either is drawn."""

from collections.abc import Sequence

from xray_triage.reading.findings import Finding

Colour = tuple[int, int, int]

# Told apart on a grey film and by colour-blind eyes.
FINDING_COLOURS: tuple[Colour, ...] = (
    (255, 214, 10),
    (64, 200, 255),
    (255, 130, 200),
    (130, 255, 120),
    (255, 150, 60),
    (190, 160, 255),
)


def colours_of(findings: Sequence[Finding]) -> dict[str, Colour]:
    """Finding name -> its colour; ``findings`` are those that are marked, in their order."""
    return {one.kind.name: FINDING_COLOURS[index % len(FINDING_COLOURS)] for index, one in enumerate(findings)}
