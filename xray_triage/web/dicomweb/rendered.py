"""/rendered and /thumbnail: pictures for clients that decode no DICOM (PS3.18 8.3.5 and 10.4). The renderer makes them.

Decodes no pixel.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

from fastapi import APIRouter, HTTPException
from starlette.responses import Response

from dicom_router.store.holdings import Holding
from xray_triage.rendering.renderer import NoPicture, Renderer, Rendering
from xray_triage.web.dicomweb.accept import Offer, choose
from xray_triage.web.dicomweb.attributes import value_of
from xray_triage.web.dicomweb.instances import Instances
from xray_triage.web.dicomweb.retrieve import Accept

JPEG, PNG = Offer("image/jpeg"), Offer("image/png")
THUMBNAIL = (256, 256)
RETRY_SECONDS = "2"
ROWS = "00280010"
FUNCTIONS = ("linear", "linear-exact", "sigmoid")
LARGEST_SIDE = 8192


def rendered_router(instances: Instances, renderer: Renderer) -> APIRouter:
    """The routes of the pictures: of a study or a series that of its first film."""
    rendered = APIRouter()

    def show(
        names: Sequence[str],
        frame: str,
        exposure: Rendering,
        accept: str,
        offers: Sequence[Offer],
        *,
        small: bool = False,
    ) -> Response:
        if not (frame.isascii() and frame.isdigit() and len(frame) < 10):
            raise HTTPException(400, "one frame at a time, counted from 1")
        offer = choose(accept, offers)
        holding = _first_film(instances, instances.find(*names))
        if small and (kept := instances.small_picture(holding)) is not None:  # not worth a film over the link
            return Response(kept, headers={"Content-Type": JPEG.media_type})
        (holding,) = instances.at_hand([holding])
        inverted = instances.is_negative(holding)
        wanted = replace(exposure, frame=int(frame), media_type=offer.media_type, inverted=inverted)
        try:
            picture = renderer.render(holding.spooled.key, wanted)
        except NoPicture as error:
            headers = {"Retry-After": RETRY_SECONDS} if error.status == 503 else None
            raise HTTPException(error.status, str(error), headers) from error
        return Response(picture, headers={"Content-Type": offer.media_type})

    @rendered.get("/studies/{study}/rendered")
    @rendered.get("/studies/{study}/series/{series}/rendered")
    @rendered.get("/studies/{study}/series/{series}/instances/{instance}/rendered")
    @rendered.get("/studies/{study}/series/{series}/instances/{instance}/frames/{frame}/rendered")
    def show_rendered(
        study: str,
        series: str | None = None,
        instance: str | None = None,
        frame: str = "1",
        window: str = "",
        viewport: str = "",
        quality: str = "90",
        accept: Accept = "",
    ) -> Response:
        exposure = replace(_viewport(viewport), window=_window(window), quality=_quality(quality))
        return show(_names(study, series, instance), frame, exposure, accept, (JPEG, PNG))

    @rendered.get("/studies/{study}/thumbnail")
    @rendered.get("/studies/{study}/series/{series}/thumbnail")
    @rendered.get("/studies/{study}/series/{series}/instances/{instance}/thumbnail")
    @rendered.get("/studies/{study}/series/{series}/instances/{instance}/frames/{frame}/thumbnail")
    def show_thumbnail(
        study: str,
        series: str | None = None,
        instance: str | None = None,
        frame: str = "1",
        viewport: str = "",
        accept: Accept = "",
    ) -> Response:
        exposure = _viewport(viewport)
        small = replace(exposure, viewport=exposure.viewport or THUMBNAIL, quality=80)
        return show(_names(study, series, instance), frame, small, accept, (JPEG,), small=True)

    return rendered


def _names(*names: str | None) -> list[str]:
    return [name for name in names if name is not None]


def _first_film(instances: Instances, found: Sequence[Holding]) -> Holding:
    """The first with pixels. Raises 406 where there is nothing to be shown (a report, a presentation state)."""
    for one in found:
        if value_of(instances.summary(one, frozenset({ROWS})), ROWS):
            return one
    raise HTTPException(406, "there is no picture in it")


def _quality(said: str) -> int:
    if not re.fullmatch(r"[1-9]\d?|100", said, re.ASCII):
        raise HTTPException(400, "quality is 1 to 100")
    return int(said)


def _window(said: str) -> tuple[float, float, str] | None:
    """``center,width,function`` (PS3.18 8.3.5.1.4). Raises 400."""
    if not said:
        return None
    center, width, function = [*said.split(","), "linear"][:3] if said.count(",") in (1, 2) else ("", "", "")
    try:
        found = float(center), float(width), function.lower()
    except ValueError:
        found = 0.0, 0.0, ""
    if not (abs(found[0]) < 1e9 and 0 < found[1] < 1e9 and found[2] in FUNCTIONS):
        raise HTTPException(400, "window is center,width,function; function is linear, linear-exact or sigmoid")
    return found


def _viewport(said: str) -> Rendering:
    """``width,height`` or ``width,height,x,y,width,height`` (PS3.18 8.3.5.1.3). Raises 400."""
    if not said:
        return Rendering()
    if not re.fullmatch(r"\d{1,5},\d{1,5}(,\d{0,5},\d{0,5}(,\d{1,5},\d{1,5})?)?", said, re.ASCII):
        raise HTTPException(400, "viewport is width,height or width,height,x,y,width,height, whole pixels, no flipping")
    width, height, *region = (int(number or 0) for number in said.split(","))
    if not (1 <= width <= LARGEST_SIDE and 1 <= height <= LARGEST_SIDE):
        raise HTTPException(400, f"a viewport has 1 to {LARGEST_SIDE} pixels")
    x, y, *size = region or (0, 0)
    region_width, region_height = size or (LARGEST_SIDE * 8, LARGEST_SIDE * 8)
    return Rendering(viewport=(width, height), region=(x, y, region_width, region_height) if region else None)
