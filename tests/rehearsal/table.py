"""The table of a rehearsal: fault, times tried, films and questions lost, objects doubled, seconds to be back."""

from dataclasses import dataclass, field
from statistics import median

HEAD = ("fault", "times", "proved", "lost", "doubled", "back s (median)", "back s (most)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """``proved`` counts what was acknowledged and looked up again; ``back`` are seconds until service after a fault."""

    fault: str
    times: int
    proved: int
    lost: int
    doubled: int
    back: tuple[float, ...] = ()

    def cells(self) -> tuple[str, ...]:
        seconds = (f"{median(self.back):.1f}", f"{max(self.back):.1f}") if self.back else ("", "")
        return (self.fault, *map(str, (self.times, self.proved, self.lost, self.doubled)), *seconds)


@dataclass
class Table:
    rows: list[Row] = field(default_factory=list)

    def add(self, row: Row) -> Row:
        self.rows.append(row)
        return row

    def text(self) -> str:
        """In columns, the first to the left."""
        lines = [HEAD, *(row.cells() for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join(cell.ljust(width) if n == 0 else cell.rjust(width) for n, (cell, width) in enumerate(zipped))
            for zipped in (list(zip(line, widths, strict=True)) for line in lines)
        )
