"""The association with one peer, kept open from one use to the next. Knows no service and no object."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

from dicom_router.errors import DamagedFile, PeerRefused
from dicom_router.upper_layer.connection import Endpoint, Timeouts
from dicom_router.upper_layer.negotiation import Context
from dicom_router.upper_layer.requestor import RequestedAssociation


class PeerLine:
    """Opens an association when it is needed, and forgets it after a fault. Not shared between threads."""

    def __init__(self, endpoint: Endpoint, timeouts: Timeouts) -> None:
        self._endpoint = endpoint
        self._timeouts = timeouts
        self._association: RequestedAssociation | None = None
        self._proposed: frozenset[Context] = frozenset()

    @property
    def is_open(self) -> bool:
        return self._association is not None

    @contextmanager
    def association(
        self, contexts: Sequence[Context], *, taken: Collection[str] = ()
    ) -> Iterator[RequestedAssociation]:
        """One that has proposed at least these contexts. See RequestedAssociation for ``taken``."""
        if not self._proposed.issuperset(contexts):
            self.close()
        if self._association is not None and self._association.is_stale():
            self._drop()
        if self._association is None:
            self._association = RequestedAssociation(self._endpoint, contexts, self._timeouts, taken=taken)
            self._proposed = frozenset(contexts)
        try:
            yield self._association
        except (PeerRefused, DamagedFile):
            raise  # said in order, or nothing was begun: the association is as good as before
        except BaseException:
            self._drop()
            raise

    def close(self) -> None:
        """Release the association, if one is open."""
        if self._association is not None:
            self._association.release()
            self._association = None

    def _drop(self) -> None:
        if self._association is not None:
            self._association.abort()
            self._association = None
