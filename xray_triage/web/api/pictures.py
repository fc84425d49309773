"""The pictures of a film: the one inside a secondary capture, and the heat map that the reader kept, as they are.

Never decodes a pixel.
"""

from typing import BinaryIO

import pydicom
from fastapi import APIRouter, HTTPException
from pydicom.encaps import get_frame
from pydicom.errors import InvalidDicomError
from pydicom.uid import JPEGBaseline8Bit
from starlette.responses import Response

from dicom_router.errors import DamagedFile
from xray_triage.stores import Stores


def picture_router(stores: Stores) -> APIRouter:
    """The routes of the pictures: 404 where there is none."""
    pictures = APIRouter()

    @pictures.get("/cases/{case_id}/picture/{sop_instance_uid}")
    def show_picture(case_id: str, sop_instance_uid: str) -> Response:
        case = stores.casebook.case(case_id)
        film = case.film(sop_instance_uid) if case else None
        small = stores.small_pictures.of(sop_instance_uid) if film and film.purged_at else None
        if small is not None:
            return Response(small, media_type="image/jpeg")
        if film is None or film.picture_key is None:
            raise HTTPException(404, "no picture")
        try:
            with stores.spool.open(film.picture_key) as stream:
                return Response(jpeg_of(stream), media_type="image/jpeg")
        except DamagedFile as error:
            raise HTTPException(404, "no picture") from error

    @pictures.get("/cases/{case_id}/heat/{sop_instance_uid}")
    def show_heat(case_id: str, sop_instance_uid: str) -> Response:
        """RGBA PNG over the whole film, transparent where cold."""
        case = stores.casebook.case(case_id)
        png = stores.heat_maps.of(sop_instance_uid) if case and case.film(sop_instance_uid) else None
        if png is None:
            raise HTTPException(404, "no heat map")
        return Response(png, media_type="image/png")

    return pictures


def jpeg_of(stream: BinaryIO) -> bytes:
    """The first frame of a JPEG baseline object (PS3.5 A.4.1). Raises DamagedFile when there is none."""
    try:
        dataset = pydicom.dcmread(stream)
        if dataset.file_meta.TransferSyntaxUID != JPEGBaseline8Bit:
            raise DamagedFile(f"not a JPEG picture: {dataset.file_meta.TransferSyntaxUID}")
        return get_frame(dataset.PixelData, 0, number_of_frames=1)
    except (InvalidDicomError, AttributeError, EOFError, ValueError) as error:
        raise DamagedFile(f"no picture in this object: {error}") from error
