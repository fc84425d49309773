"""Sends instances by C-STORE: decides presentation contexts and encoding. Knows no queue and no retry."""

import ssl
from typing import BinaryIO

from pydicom import uid

from dicom_router.clock import Clock
from dicom_router.dicom.instance import Acknowledgement, Parcel
from dicom_router.dicom.part10 import seek_dataset
from dicom_router.dicom.status import Status, check_answer, written
from dicom_router.dicom.uids import UNCOMPRESSED, VERIFICATION
from dicom_router.errors import NotOffered, PeerRefused, PeerUnreachable
from dicom_router.transport.compression import Compression, Economy, file_size, transcoded
from dicom_router.transport.line import PeerLine
from dicom_router.transport.pace import Pace
from dicom_router.upper_layer.command import Response
from dicom_router.upper_layer.connection import TIMEOUTS, Endpoint, Timeouts
from dicom_router.upper_layer.negotiation import Context
from dicom_router.upper_layer.requestor import MAX_CONTEXTS, RequestedAssociation

_RESULTS = (
    uid.ComprehensiveSRStorage,
    uid.GrayscaleSoftcopyPresentationStateStorage,
    uid.KeyObjectSelectionDocumentStorage,
    uid.SecondaryCaptureImageStorage,
)
# What a film can be given without loss where nothing usual is taken, the most usual first.
LOSSLESS = (uid.JPEGLosslessSV1, uid.JPEGLSLossless, uid.JPEG2000Lossless)
NO_COMMON_SYNTAX = "no common transfer syntax"  # the status of what the peer would take otherwise encoded
# Proposed on every association, so that the results of a film need one association and not one each.
USUAL: tuple[Context, ...] = (
    Context(VERIFICATION, uid.ImplicitVRLittleEndian),
    Context(uid.SecondaryCaptureImageStorage, uid.JPEGBaseline8Bit),
    *(Context(sop_class, syntax) for sop_class in _RESULTS for syntax in UNCOMPRESSED),
)


class DimseTransport:
    """One peer over DIMSE. Keeps its association open between sends, until ``close`` or a fault.

    ``max_kbit_per_second`` 0 is no limit; ``tls`` None is plain TCP; ``compression`` is the
    site's wish, or an Economy that the lanes of one destination share.
    """

    def __init__(  # noqa: PLR0913 - one for each line of a destination in station.toml
        self,
        host: str,
        port: int,
        ae_title: str,
        calling_ae_title: str,
        *,
        clock: Clock,
        compression: Compression | Economy = "auto",
        max_kbit_per_second: float = 0,
        tls: ssl.SSLContext | None = None,
        timeouts: Timeouts = TIMEOUTS,
    ) -> None:
        self._endpoint = Endpoint(host=host, port=port, ae_title=ae_title, calling_ae_title=calling_ae_title, tls=tls)
        self._clock = clock
        self._line = PeerLine(self._endpoint, timeouts)
        self._economy = compression if isinstance(compression, Economy) else Economy(compression, clock=clock)
        self._pace = Pace(max_kbit_per_second, clock=clock)
        self._wanted = list(USUAL)
        self._choosy: set[str] = set()  # SOP classes of which this peer takes none of the usual transfer syntaxes

    def send(self, parcel: Parcel) -> Acknowledgement:
        """See Transport. A film is offered as it is, uncompressed and, when the policy wants it, compressed."""
        reused = self._line.is_open
        try:
            return self._send(parcel)
        except PeerUnreachable:
            # An idle association may have been dropped on the way without a word: that says nothing of the peer.
            if not reused or self._line.is_open:
                raise
        return self._send(parcel)

    def echo(self) -> None:
        """C-ECHO. Raises PeerUnreachable; PeerRefused when the peer is there but speaks no Verification."""
        with self._line.association(self._wanted) as association:
            if VERIFICATION not in association.known_classes:
                what = f"{self._endpoint} accepts the association, and no C-ECHO"
                raise NotOffered(what, status=written(Status.CLASS_NOT_SUPPORTED))
            answer = association.echo()
        check_answer(answer.status, peer=str(self._endpoint), comment=answer.comment)

    def close(self) -> None:
        """Release the association, if one is open."""
        self._line.close()

    def _send(self, parcel: Parcel) -> Acknowledgement:
        self._want(self._contexts_for(parcel))
        sop_class_uid = parcel.instance.sop_class_uid
        with self._line.association(self._wanted) as association:
            is_choosy = sop_class_uid in association.choosy_classes and sop_class_uid not in self._choosy
            stored = None if is_choosy else self._store(parcel, association)
        if stored is None:  # once more, with all that the film can be given
            self._choosy.add(sop_class_uid)
            return self._send(parcel)
        answer, sent_bytes = stored
        status = check_answer(answer.status, peer=str(self._endpoint), comment=answer.comment)
        return Acknowledgement(status=status, peer=str(self._endpoint), at=self._clock.now(), sent_bytes=sent_bytes)

    def _store(self, parcel: Parcel, association: RequestedAssociation) -> tuple[Response, int]:
        """The answer, and how many bytes were sent for it."""
        context, stream = self._encoding(parcel, association)
        with stream:
            sent_bytes = file_size(stream) - seek_dataset(stream)
            begun = self._clock.monotonic()
            answer = association.store(context, parcel.instance.sop_instance_uid, stream, self._pace.spend)
        self._economy.learn(sent_bytes=sent_bytes, seconds=self._clock.monotonic() - begun)
        return answer, sent_bytes

    def _want(self, contexts: list[Context]) -> None:
        """Propose these too; over the limit only the usual ones and these."""
        self._wanted = list(dict.fromkeys([*self._wanted, *contexts]))
        if len(self._wanted) > MAX_CONTEXTS:
            self._wanted = list(dict.fromkeys([*USUAL, *contexts]))

    def _contexts_for(self, parcel: Parcel) -> list[Context]:
        syntaxes = [parcel.instance.transfer_syntax_uid, *UNCOMPRESSED]
        if self._economy.may_shrink(parcel):
            syntaxes.insert(0, self._economy.transfer_syntax_uid)
        if parcel.instance.sop_class_uid in self._choosy:
            syntaxes += LOSSLESS
        return [Context(parcel.instance.sop_class_uid, syntax) for syntax in dict.fromkeys(syntaxes)]

    def _encoding(self, parcel: Parcel, association: RequestedAssociation) -> tuple[Context, BinaryIO]:
        """What goes over the link, from what the peer accepted. Raises PeerRefused."""
        sop_class_uid = parcel.instance.sop_class_uid
        smaller = Context(sop_class_uid, self._economy.transfer_syntax_uid)
        if smaller in association.accepted and self._economy.is_worth_it(parcel):
            stream = self._economy.shrink(parcel)
            if stream is not None:
                return smaller, stream
        own = Context(sop_class_uid, parcel.instance.transfer_syntax_uid)
        if own in association.accepted:
            return own, _evened(parcel) or parcel.open()
        return self._rewritten(parcel, association)

    def _rewritten(self, parcel: Parcel, association: RequestedAssociation) -> tuple[Context, BinaryIO]:
        """An encoding that the peer accepts, the plainest, for an instance that cannot go as it is."""
        instance = parcel.instance
        for syntax in (*UNCOMPRESSED, *LOSSLESS):
            other = Context(instance.sop_class_uid, syntax)
            if other in association.accepted:
                stream = transcoded(parcel, syntax)
                if stream is not None:
                    return other, stream
        what = f"{instance.sop_class_uid} in {instance.transfer_syntax_uid}"
        if instance.sop_class_uid in association.known_classes | association.choosy_classes:
            why = "accepts it only in a transfer syntax that it cannot be given here"
            raise PeerRefused(f"{self._endpoint} {why}: {what}", status=NO_COMMON_SYNTAX)
        why = "does not accept this SOP class"
        raise PeerRefused(f"{self._endpoint} {why}: {what}", status=written(Status.CLASS_NOT_SUPPORTED))


def _evened(parcel: Parcel) -> BinaryIO | None:
    """A dataset of odd length, which some machines write, written anew (PS3.5 7.1.1); None for any other.

    Compressed pixels are left alone, and so is what cannot be written anew: it goes with one zero more behind it.
    """
    with parcel.open() as stream:
        is_odd = (parcel.size_bytes - seek_dataset(stream)) % 2
    syntax = parcel.instance.transfer_syntax_uid
    return transcoded(parcel, syntax) if is_odd and syntax in UNCOMPRESSED else None
