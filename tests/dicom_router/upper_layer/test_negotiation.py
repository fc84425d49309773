"""What is agreed when an association begins."""

import contextlib
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicom_router.dicom.uids import TRANSFER_SYNTAXES, is_storage
from dicom_router.upper_layer.negotiation import accept, parse_association_request
from dicom_router.upper_layer.pdu import ProtocolViolation
from tests.factories import DX
from tests.peers.machine import association_request, results_of, role_item

EXPLICIT, IMPLICIT, JPEG_BASELINE, JPEG_LS = (
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.80",
)

COMMITMENT = "1.2.840.10008.1.20.1"


def films(sop_class_uid: str) -> Sequence[str]:
    return TRANSFER_SYNTAXES if is_storage(sop_class_uid) else ()


@pytest.mark.parametrize(
    ("offered", "taken"),
    [
        ([JPEG_BASELINE, IMPLICIT, EXPLICIT], EXPLICIT),
        ([JPEG_BASELINE, IMPLICIT], IMPLICIT),
        ([JPEG_BASELINE, JPEG_LS], JPEG_LS),
        (["1.2.3", JPEG_BASELINE], JPEG_BASELINE),
    ],
)
def test_of_several_encodings_the_one_that_costs_no_quality_is_taken(offered: list[str], taken: str) -> None:
    request = parse_association_request(association_request([(DX, *offered)]))
    _, contexts = accept(request, max_pdu=16_384, served=films)
    assert [context.transfer_syntax_uid for context in contexts.values()] == [taken]


def test_each_context_is_agreed_by_itself() -> None:
    request = parse_association_request(association_request([(DX, syntax) for syntax in TRANSFER_SYNTAXES]))
    pdu, contexts = accept(request, max_pdu=16_384, served=films)
    assert [context.transfer_syntax_uid for context in contexts.values()] == list(TRANSFER_SYNTAXES)
    assert set(results_of(pdu).values()) == {0}


@pytest.mark.parametrize("role", [b"\0\1", b"\1\0", b"\1\1"])
def test_only_where_we_may_be_either_a_role_is_agreed_to(role: bytes) -> None:
    asked = association_request([(COMMITMENT, EXPLICIT), (DX, EXPLICIT)], roles={COMMITMENT: role, DX: role})
    request = parse_association_request(asked)
    agreed, _ = accept(request, max_pdu=16_384, served=lambda _: [EXPLICIT])
    assert role_item(COMMITMENT, role) in agreed
    assert role_item(DX, role) not in agreed


def test_no_role_is_agreed_to_of_what_is_not_served() -> None:
    asked = association_request([(COMMITMENT, EXPLICIT)], roles={COMMITMENT: b"\0\1"})
    agreed, contexts = accept(parse_association_request(asked), max_pdu=16_384, served=films)
    assert not contexts
    assert role_item(COMMITMENT, b"\0\1") not in agreed


def test_titles_lose_their_padding() -> None:
    request = parse_association_request(association_request(called="  STATION", calling="X RAY "))
    assert (request.called_ae_title, request.calling_ae_title) == ("STATION", "X RAY")


@pytest.mark.parametrize("uid", ["../../x", "", "1.2.840.10008.5.1.4.1.1.é", "1.2.840.10008.5.1.4.31"])
def test_what_is_no_storage_class_is_none(uid: str) -> None:
    assert not is_storage(uid)


@settings(deadline=None)  # a busy machine is no fault of the parser
@given(st.binary(max_size=300), st.integers(0, 299))
def test_a_spoilt_request_is_read_or_refused_and_nothing_worse(noise: bytes, position: int) -> None:
    request = association_request()
    position %= len(request)
    with contextlib.suppress(ProtocolViolation):
        accept(
            parse_association_request(request[:position] + noise + request[position + len(noise) // 2 :]),
            max_pdu=1,
            served=films,
        )
