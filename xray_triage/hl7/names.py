"""Names of people in the parts that HL7 and FHIR want, and whole as they are read here. Knows no message, no order.

A name is read family, middle, given (decision 0015); HL7 v2.5 2.A.89 (XPN) writes family^given^middle.
"""

from typing import NamedTuple


class NameParts(NamedTuple):
    """In the order of XPN. Any of them may be several words, or empty."""

    family: str
    given: str = ""
    middle: str = ""

    @property
    def whole(self) -> str:
        """As it is read: family, middle, given."""
        return " ".join(" ".join(filter(None, (self.family, self.middle, self.given))).split())


def parted(name: str, known: str = "") -> NameParts:
    """The parts of a name: ``known``, of a HIS that gave them as ``family^given^middle``, where they are of this name.

    Else the first word is the family name, the last the given name, and what stands between is the middle.
    """
    told = NameParts(*known.split("^")[:3])
    if told.whole == " ".join(name.split()):
        return told
    family, *others = name.split() or [""]
    return NameParts(family, others[-1] if others else "", " ".join(others[:-1]))
