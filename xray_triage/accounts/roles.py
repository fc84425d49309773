"""What a person at the station may do. Knows no user and no page."""

from enum import StrEnum


class Right(StrEnum):
    """Something that not everybody may do."""

    SEE = "see"  # cases, films, the queue
    ASK = "ask"  # a specialist
    JUDGE = "judge"  # agree or disagree with the reading
    REGISTER = "register"  # patients, for the X-ray machine's worklist
    COUNT = "count"  # the station's figures
    ADMINISTER = "administer"  # users, and the trail of what they did


class Role(StrEnum):
    """A user's role."""

    DOCTOR = "doctor"
    TECHNICIAN = "technician"
    ADMIN = "admin"

    @property
    def rights(self) -> frozenset[Right]:
        """What this role may do."""
        return RIGHTS[self]


RIGHTS: dict[Role, frozenset[Right]] = {
    Role.DOCTOR: frozenset(Right) - {Right.ADMINISTER},
    Role.TECHNICIAN: frozenset({Right.SEE, Right.REGISTER, Right.COUNT}),
    Role.ADMIN: frozenset(Right),
}
