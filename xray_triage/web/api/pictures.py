"""The picture inside a secondary capture, handed out as it is. Never decodes a pixel."""

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
    """The route of the result pictures."""
    pictures = APIRouter()

    @pictures.get("/cases/{case_id}/picture/{sop_instance_uid}")
    def show_picture(case_id: str, sop_instance_uid: str) -> Response:
        case = stores.casebook.case(case_id)
        keys = {image.sop_instance_uid: image.picture_key for image in case.images} if case else {}
        key = keys.get(sop_instance_uid)
        if key is None:
            raise HTTPException(404, "no picture")
        try:
            with stores.spool.open(key) as stream:
                return Response(jpeg_of(stream), media_type="image/jpeg")
        except DamagedFile as error:
            raise HTTPException(404, "no picture") from error

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
