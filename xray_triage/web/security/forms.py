"""Forms as browsers send them without scripts (application/x-www-form-urlencoded). Knows no route."""

from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import Depends, HTTPException, Request

MOST_FIELDS = 100


async def fields(request: Request) -> dict[str, str]:
    """The form's fields, the last of each name; empty for any other body. A body that is no form is a 400."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        return {}
    try:
        body = (await request.body()).decode("ascii")
        return dict(parse_qsl(body, keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS))
    except ValueError as error:
        raise HTTPException(400, "this is no form") from error


Form = Annotated[dict[str, str], Depends(fields)]
