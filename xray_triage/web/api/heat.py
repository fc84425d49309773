"""Hands out the heat maps that the reader kept. Never decodes a pixel."""

from fastapi import APIRouter, HTTPException
from starlette.responses import Response

from xray_triage.stores import Stores


def heat_router(stores: Stores) -> APIRouter:
    """The route of the heat maps."""
    router = APIRouter()

    @router.get("/cases/{case_id}/heat/{sop_instance_uid}")
    def show_heat(case_id: str, sop_instance_uid: str) -> Response:
        """RGBA PNG over the whole film, transparent where cold; 404 where there is none."""
        case = stores.casebook.case(case_id)
        films = [image.sop_instance_uid for image in case.images] if case else []
        png = stores.heat_maps.of(sop_instance_uid) if sop_instance_uid in films else None
        if png is None:
            raise HTTPException(404, "no heat map")
        return Response(png, media_type="image/png")

    return router
