"""Who may speak to the listener, and how much. Decides and counts; knows no socket and no film."""

import ipaddress
import socket
import threading
from collections import Counter
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowedPeer:
    """A machine that may send: its AE title, from its address (IP or name). An empty one is any."""

    ae_title: str
    host: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerLimits:
    """What the listener allows. An empty ``allow`` lets everybody in, but only over loopback.

    ``max_associations`` are those of one address; there is as much room again for all others.
    ``pdu_seconds`` is the time for one PDU from its first byte to its last, and for a new connection to
    ask for its association; ``idle_seconds`` the silence allowed between PDUs of an association;
    ``lifetime_seconds`` the longest association. ``max_waiting_per_host`` and ``max_waiting`` bound the
    connections that have not asked for an association yet.
    """

    ae_title: str
    allow: tuple[AllowedPeer, ...] = ()
    max_associations: int = 10
    max_pdu: int = 131_072
    max_waiting_per_host: int = 8
    max_waiting: int = 64
    pdu_seconds: float = 5.0
    idle_seconds: float = 60.0
    lifetime_seconds: float = 3600.0


@dataclass(frozen=True, slots=True)
class Rejection:
    """The three numbers of an A-ASSOCIATE-RJ, PS3.8 table 9-21, and the reason in words for the log."""

    result: int
    source: int
    reason: int
    why: str


UNKNOWN_CALLER = Rejection(1, 1, 3, "unknown calling AE title or address")
WRONG_CALLED_TITLE = Rejection(1, 1, 7, "called AE title is not ours")
TOO_MANY = Rejection(2, 3, 2, "too many associations, from all or from this address")


class Gatekeeper:
    """Lets connections and associations in, and counts them. One for the listener; safe between threads."""

    def __init__(self, limits: ListenerLimits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._waiting: Counter[str] = Counter()
        self._inside: Counter[str] = Counter()

    def knock(self, host: str) -> "Visit | None":
        """A new connection. None: close it at once, too many from there have not said what they want."""
        with self._lock:
            crowded = self._waiting[host] >= self._limits.max_waiting_per_host
            if crowded or self._waiting.total() >= self._limits.max_waiting:
                return None
            self._waiting[host] += 1
        return Visit(self, host)

    def judge(self, *, host: str, called_ae_title: str, calling_ae_title: str) -> Rejection | None:
        """Whether this machine may speak at all; None when it may."""
        if called_ae_title != self._limits.ae_title:
            return WRONG_CALLED_TITLE
        if not self._limits.allow:
            return None if ipaddress.ip_address(host).is_loopback else UNKNOWN_CALLER
        titled = [peer for peer in self._limits.allow if peer.ae_title in ("", calling_ae_title)]
        return None if any(not peer.host or _is_at(peer.host, host) for peer in titled) else UNKNOWN_CALLER

    def enter(self, host: str) -> bool:
        """One address may hold what it has for an hour, so it gets half of what the others leave of twice the limit."""
        with self._lock:
            others = self._inside.total() - self._inside[host]
            if 2 * self._inside[host] >= 2 * self._limits.max_associations - others:
                return False
            self._inside[host] += 1
            _forget(self._waiting, host)
            return True

    def leave(self, host: str, *, inside: bool) -> None:
        with self._lock:
            _forget(self._inside if inside else self._waiting, host)


def _forget(counted: Counter[str], host: str) -> None:
    counted[host] -= 1
    if not counted[host]:
        del counted[host]


class Visit:
    """One connection as the gatekeeper counts it: waiting, then perhaps inside, then gone."""

    def __init__(self, gatekeeper: Gatekeeper, host: str) -> None:
        self._gatekeeper = gatekeeper
        self._inside = False
        self.host = host

    def enter(self) -> bool:
        """Take one of the places for associations. False: all are taken, or all that this address may have."""
        self._inside = self._gatekeeper.enter(self.host)
        return self._inside

    def leave(self) -> None:
        """The connection is closed. To be called once."""
        self._gatekeeper.leave(self.host, inside=self._inside)


def _is_at(allowed: str, host: str) -> bool:
    """Whether ``allowed``, an address or a name, is where the peer is. A name that does not resolve is nowhere."""
    try:
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(allowed, None, type=socket.SOCK_STREAM)}
    except OSError:
        return False
    return host in found
