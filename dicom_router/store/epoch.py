"""Seconds since 1970 of a column of times, in SQL of both databases. Knows no table."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class epoch(FunctionElement[float]):  # noqa: N801 -- read where SQL functions are read
    """``epoch(column)``: seconds since 1970-01-01 UTC, exact to a tenth of a millisecond; NULL stays NULL."""

    type = sa.Float()
    inherit_cache = True


@compiles(epoch, "sqlite")
def _on_sqlite(element: epoch, compiler: Any, **options: Any) -> str:
    return f"((julianday({compiler.process(element.clauses, **options)}) - 2440587.5) * 86400.0)"


@compiles(epoch, "postgresql")
def _on_postgresql(element: epoch, compiler: Any, **options: Any) -> str:
    return f"CAST(extract(epoch FROM {compiler.process(element.clauses, **options)}) AS double precision)"
