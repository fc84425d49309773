"""Asks a peer before it sends: for what was sent there before our database was lost. Knows no queue."""

from collections.abc import Callable

from dicom_router.clock import Clock
from dicom_router.dicom.instance import Acknowledgement, InstanceRef, Parcel
from dicom_router.errors import PeerRefused, PeerUnreachable
from dicom_router.transport.archive import Archive
from dicom_router.transport.protocol import Transport

FOUND = "found"  # the status of an acknowledgement for which nothing was sent


class AskingTransport:
    """``transport``, with its peer as an ``archive`` that is asked first about the studies that ``is_doubtful`` names.

    A peer that does not say whether it has an instance is sent it: that is harmless.
    """

    def __init__(
        self, transport: Transport, archive: Archive, *, is_doubtful: Callable[[str], bool], clock: Clock
    ) -> None:
        self._transport = transport
        self._archive = archive
        self._is_doubtful = is_doubtful
        self._clock = clock

    def send(self, parcel: Parcel) -> Acknowledgement:
        """See Transport."""
        if self._is_doubtful(parcel.instance.study_instance_uid) and self._has(parcel.instance):
            return Acknowledgement(status=FOUND, peer="asked", at=self._clock.now(), sent_bytes=0)
        return self._transport.send(parcel)

    def echo(self) -> None:
        """See Transport."""
        self._transport.echo()

    def close(self) -> None:
        """See Transport."""
        self._archive.close()
        self._transport.close()

    def _has(self, instance: InstanceRef) -> bool:
        try:
            found = self._archive.instances(instance.study_instance_uid)
        except (PeerRefused, PeerUnreachable):
            return False
        finally:
            self._archive.close()  # a peer may serve one association at a time
        return any(one.sop_instance_uid == instance.sop_instance_uid for one in found)
