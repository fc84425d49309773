"""A specialist's PDF, handed out as it lies in the spool. Never loads it whole, never looks into it."""

from collections.abc import Iterator
from typing import Annotated, BinaryIO

from fastapi import APIRouter, Depends, HTTPException, Path
from starlette.responses import StreamingResponse

from dicom_router.dicom.outline import Extent
from dicom_router.errors import DamagedFile
from xray_triage.accounts.audit import Action
from xray_triage.consultations.encapsulated import document_in
from xray_triage.stores import Stores
from xray_triage.web.security.visitor import Right, Visitor, needs

CHUNK_BYTES = 1 << 18
AnswerId = Annotated[int, Path(ge=1, le=1 << 53)]


def answer_router(stores: Stores) -> APIRouter:
    """The route of the answers' files."""
    answers = APIRouter()

    @answers.get("/cases/{case_id}/answers/{answer_id}/file")
    def show_file(
        case_id: str, answer_id: AnswerId, who: Annotated[Visitor, Depends(needs(Right.SEE))]
    ) -> StreamingResponse:
        key = stores.consultations.answer_key(case_id, answer_id)
        if key is None:
            raise HTTPException(404, "no such file")
        try:
            stream = stores.spool.open(key)
        except DamagedFile as error:
            raise HTTPException(404, "the file is gone from disk") from error
        try:
            extent = document_in(stream)
        except DamagedFile as error:
            stream.close()
            raise HTTPException(404, "there is no PDF in this answer") from error
        stores.audit.note(Action.ANSWER_OPENED, actor=who.name, subject=case_id, detail=str(answer_id))
        headers = {
            "Content-Length": str(extent.length),
            "Content-Disposition": f'inline; filename="{case_id}-{answer_id}.pdf"',
        }
        return StreamingResponse(_pieces(stream, extent), media_type="application/pdf", headers=headers)

    return answers


def _pieces(stream: BinaryIO, extent: Extent) -> Iterator[bytes]:
    with stream:
        stream.seek(extent.offset)
        left = extent.length or 0
        while left and (piece := stream.read(min(CHUNK_BYTES, left))):
            left -= len(piece)
            yield piece
