"""The route by which a doctor signs a result. Knows no token; the PIN goes through, and is kept nowhere."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, HTTPException
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from xray_triage.accounts.audit import Action
from xray_triage.language import Language
from xray_triage.records.signing.faults import CannotSign
from xray_triage.stores import Stores
from xray_triage.web.api.questions import UNKNOWN_CASE
from xray_triage.web.security.visitor import Right, Visitor, needs

NOT_SIGNED: dict[int | str, dict[str, Any]] = {
    409: {"description": "It was not signed, and the result stays as it is: detail says what to do."}
}


class SignBody(BaseModel):
    """The PIN of the token or service; empty where the key asks for none here."""

    model_config = ConfigDict(extra="forbid")
    pin: Annotated[SecretStr, Field(max_length=64)] = SecretStr("")


class SignatureJson(BaseModel):
    """Whose certificate stands under the newest version."""

    signed: Literal[True] = True
    version: int
    signer: str
    serial: str
    signed_at: datetime


def signing_router(stores: Stores) -> APIRouter:
    """The route; it needs the right to judge."""
    api = APIRouter(prefix="/api")

    @api.post("/cases/{case_id}/result/sign", responses=UNKNOWN_CASE | NOT_SIGNED)
    def sign(case_id: str, body: SignBody, who: Annotated[Visitor, Depends(needs(Right.JUDGE))]) -> SignatureJson:
        """Sign the newest version of the result, as its author. What is signed already is left as it is."""
        before = stores.signing.signatures(case_id)
        try:
            signature = stores.signing.sign(case_id, pin=body.pin.get_secret_value(), by=who.name)
        except CannotSign as error:
            stores.audit.note(Action.NOT_SIGNED, actor=who.name, subject=case_id, detail=error.fault.value)
            raise HTTPException(409, Language(who.language).translate(error.words)) from None
        if signature.version not in before:
            detail = f"{signature.version} {signature.signer} {signature.serial}"
            stores.audit.note(Action.RESULT_SIGNED, actor=who.name, subject=case_id, detail=detail)
        return SignatureJson(
            version=signature.version,
            signer=signature.signer,
            serial=signature.serial,
            signed_at=signature.signed_at,
        )

    return api
