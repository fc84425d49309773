"""WADO-RS: instances, metadata and frames as they lie (PS3.18 10.4). Never decodes a pixel."""

import json
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request
from pydicom import uid
from starlette.responses import Response

from dicom_router.dicom.frames import NoSuchFrame, locate_frame
from dicom_router.dicom.outline import PIXEL_DATA, Outline, read_outline
from dicom_router.errors import DamagedFile
from dicom_router.store.holdings import Holding
from xray_triage.accounts.audit import Action
from xray_triage.stores import Stores
from xray_triage.web.dicomweb.accept import Offer, choose
from xray_triage.web.dicomweb.attributes import Attributes, attributes_of
from xray_triage.web.dicomweb.instances import Instances
from xray_triage.web.dicomweb.parts import Part, respond
from xray_triage.web.security.visitor import Who

OCTETS = "application/octet-stream"
DICOM = "application/dicom"
MOST_FRAMES = 500  # in one request
JSON = (Offer("application/dicom+json"), Offer("application/json"))
NATIVE = (uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian)
MEDIA_TYPES = {  # PS3.18 table 8.7.3-5
    uid.JPEGBaseline8Bit: "image/jpeg",
    uid.JPEGExtended12Bit: "image/jpeg",
    uid.JPEGLossless: "image/jpeg",
    uid.JPEGLosslessSV1: "image/jpeg",
    uid.JPEGLSLossless: "image/jls",
    uid.JPEGLSNearLossless: "image/jls",
    uid.JPEG2000: "image/jp2",
    uid.JPEG2000Lossless: "image/jp2",
    uid.HTJ2K: "image/jphc",
    uid.HTJ2KLossless: "image/jphc",
    uid.HTJ2KLosslessRPCL: "image/jphc",
    uid.RLELossless: "image/dicom-rle",
}


def _accepted(request: Request) -> str:
    """What the client will take: the parameter of that name, for links and pictures, else the header (8.3.3.1)."""
    return request.query_params.get("accept") or ", ".join(request.headers.getlist("accept"))


Accept = Annotated[str, Depends(_accepted)]


def retrieve_router(stores: Stores, instances: Instances) -> APIRouter:
    """The WADO-RS routes that hand out what lies in the spool."""
    retrieve = APIRouter()

    @retrieve.get("/studies/{study}")
    @retrieve.get("/studies/{study}/series/{series}")
    @retrieve.get("/studies/{study}/series/{series}/instances/{instance}")
    def retrieve_instances(
        who: Who, study: str, series: str | None = None, instance: str | None = None, accept: Accept = ""
    ) -> Response:
        answer = _parts_of(stores, instances.at_hand(instances.find(study, series, instance)), accept)
        stores.audit.note(Action.EXPORTED, actor=who.name, subject=instances.case_id(study), detail="DICOMweb")
        return answer

    @retrieve.get("/studies/{study}/metadata")
    @retrieve.get("/studies/{study}/series/{series}/metadata")
    @retrieve.get("/studies/{study}/series/{series}/instances/{instance}/metadata")
    def describe_instances(
        request: Request, study: str, series: str | None = None, instance: str | None = None, accept: Accept = ""
    ) -> Response:
        return _metadata(request, instances, instances.find(study, series, instance), accept)

    @retrieve.get("/studies/{study}/series/{series}/instances/{instance}/frames/{numbers}")
    def retrieve_frames(study: str, series: str, instance: str, numbers: str, accept: Accept = "") -> Response:
        (holding,) = instances.at_hand(instances.find(study, series, instance))
        return _frames(stores, holding, _numbers(numbers), accept)

    @retrieve.get("/studies/{study}/series/{series}/instances/{instance}/bulkdata/{tag}")
    def retrieve_bulk(study: str, series: str, instance: str, tag: str, accept: Accept = "") -> Response:
        (holding,) = instances.at_hand(instances.find(study, series, instance))
        with stores.spool.open(holding.spooled.key) as stream:
            outline = read_outline(stream)
        return _bulk(stores, holding, outline, tag, accept)

    return retrieve


def _parts_of(stores: Stores, holdings: list[Holding], accept: str) -> Response:
    """The files as they came; a client that wants another transfer syntax for all of them gets 406."""
    syntaxes = dict.fromkeys(one.instance.transfer_syntax_uid for one in holdings)
    offers = [Offer(DICOM, syntax, multipart=True) for syntax in syntaxes]
    offer = choose(accept, [*offers, Offer(DICOM, next(iter(syntaxes)))] if len(holdings) == 1 else offers)
    parts = [
        Part(
            key=one.spooled.key,
            pieces=[(0, one.spooled.size_bytes)],
            content_type=Offer(DICOM, one.instance.transfer_syntax_uid).content_type,
        )
        for one in holdings
    ]
    return respond(stores.spool, parts, offer)


def _metadata(request: Request, instances: Instances, holdings: list[Holding], accept: str) -> Response:
    offer = choose(accept, JSON)
    described = []
    for one in holdings:
        try:
            described.append(attributes_of(instances.outline(one), bulk_url=f"{url_of(request, one)}/bulkdata"))
        except DamagedFile:
            if len(holdings) == 1:  # the others of a study can do without it
                raise
    return json_response(described, offer)


def json_response(found: list[Attributes], offer: Offer, headers: dict[str, str] | None = None) -> Response:
    """DICOM JSON, in UTF-8."""
    body = json.dumps(found, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode(errors="replace")
    return Response(body, headers={"Content-Type": offer.media_type, **(headers or {})})


def url_of(request: Request, one: Holding) -> str:
    """Where an instance is retrieved, by the name under which the client found us."""
    names = one.instance
    return (
        f"{request.base_url}dicom-web/studies/{names.study_instance_uid}"
        f"/series/{names.series_instance_uid}/instances/{names.sop_instance_uid}"
    )


def _frames(stores: Stores, holding: Holding, numbers: list[int] | None, accept: str) -> Response:
    """Frames as they lie; uncompressed ones always as little endian. ``numbers`` None: all of them."""
    try:
        with stores.spool.open(holding.spooled.key) as stream:
            outline = read_outline(stream)
            wanted = numbers or range(1, int(outline.header.get("NumberOfFrames") or 1) + 1)
            located = [locate_frame(stream, outline, number) for number in wanted]
    except NoSuchFrame as error:
        raise HTTPException(404, str(error)) from error
    offer = choose(accept, _frame_offers(outline, alone=len(located) == 1))
    parts = [
        Part(key=holding.spooled.key, pieces=pieces, content_type=offer.content_type, word=_word(outline))
        for pieces in located
    ]
    return respond(stores.spool, parts, offer)


def _frame_offers(outline: Outline, *, alone: bool) -> list[Offer]:
    syntax = uid.UID(str(outline.header.file_meta.TransferSyntaxUID))
    if syntax in NATIVE:
        types, syntax = [OCTETS], uid.ExplicitVRLittleEndian
    else:
        types = [MEDIA_TYPES.get(syntax, OCTETS), OCTETS]
    offers = [Offer(one, syntax, multipart=True) for one in types]
    return [*offers, *(Offer(one, syntax) for one in types)] if alone else offers


def _word(outline: Outline) -> int:
    """How many bytes must change their order to become little endian (PS3.5 8.2 and annex A.3)."""
    if outline.header.file_meta.TransferSyntaxUID != uid.ExplicitVRBigEndian:
        return 1
    allocated = int(outline.header.get("BitsAllocated") or 8)
    return max(allocated // 8, 2 if outline.large[PIXEL_DATA].vr == "OW" else 1)


def _bulk(stores: Stores, holding: Holding, outline: Outline, tag: str, accept: str) -> Response:
    try:
        extent = outline.large[int(tag, 16)]
    except (KeyError, ValueError) as error:
        raise HTTPException(404, "no such bulk data") from error
    if extent.length is None:
        return _frames(stores, holding, None, accept)
    offer = choose(accept, [Offer(OCTETS, multipart=True), Offer(OCTETS)])
    if extent.offset + extent.length > holding.spooled.size_bytes:
        raise DamagedFile("the file ends before this value does")
    word = _word(outline) if PIXEL_DATA in outline.large else 1
    whole = Part(key=holding.spooled.key, pieces=[(extent.offset, extent.length)], content_type=OCTETS, word=word)
    return respond(stores.spool, [whole], offer)


def _numbers(listed: str) -> list[int]:
    numbers = listed.split(",")
    are_numbers = all(number.isascii() and number.isdigit() and len(number) < 10 for number in numbers)
    if not are_numbers or len(numbers) > MOST_FRAMES:
        raise HTTPException(400, f"frame numbers count from 1, with commas between them, at most {MOST_FRAMES}")
    return [int(number) for number in numbers]
