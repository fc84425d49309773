"""Who asks, and whether they may. Every route but /healthz, /readyz, /metrics, /static and /login needs somebody.

A person has a session in a cookie and sends the session's CSRF token with everything that is not a GET; a program has
a bearer token, which no page of another site can make a browser send. Knows no case.
"""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from xray_triage.accounts.roles import Right, Role
from xray_triage.accounts.users import Account, name_key
from xray_triage.language import LANGUAGES
from xray_triage.stores import Stores
from xray_triage.web.security.forms import Form
from xray_triage.web.surroundings import Surroundings

__all__ = ["Right", "Role", "Visitor", "Who", "needs", "signed_in", "visitor"]

LANGUAGE_COOKIE = "language"
CSRF_HEADER = "X-CSRF-Token"
CSRF_FIELD = "csrf_token"
BACKGROUND = ("/events", "/fragments/")  # asked for by an open page by itself: no sign that somebody is there


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Who is there. ``name`` is the user's name for the trail, ``full_name`` what people read."""

    name: str
    full_name: str
    role: Role | None
    language: str
    csrf_token: str = ""
    must_change: bool = False

    def may(self, right: Right) -> bool:
        """Whether this role has ``right``."""
        return self.role is not None and right in self.role.rights


class NotSignedIn(Exception):
    """Nobody is there: a page sends to /login, a program gets 401."""


class NotAllowed(Exception):
    """Somebody is there who may not: 403. ``right``: the one that is missing; None: the page was of another session."""

    def __init__(self, message: str, who: Visitor, right: Right | None = None) -> None:
        super().__init__(message)
        self.who = who
        self.right = right


class MustChangePassword(Exception):
    """A one-time password lets nobody further than to the change of it."""


def signed_in(request: Request, form: Form) -> Visitor:
    """Who is there, even with a one-time password. Raises NotSignedIn; NotAllowed without the CSRF token."""
    accounts = stores_of(request).accounts
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        user = accounts.tokens.owner(bearer.strip(), renew=not _is_background(request))
        if user is None:
            raise NotSignedIn
        return _visitor(request, user, csrf_token="", must_change=False)
    session_id = request.cookies.get(session_cookie(request))
    user = accounts.sessions.owner(session_id, renew=not _is_background(request)) if session_id else None
    if user is None or session_id is None:
        raise NotSignedIn
    who = _visitor(request, user, csrf_token=csrf_token_of(session_id), must_change=user.must_change)
    if request.method not in ("GET", "HEAD"):
        given = request.headers.get(CSRF_HEADER) or form.get(CSRF_FIELD, "")
        if not hmac.compare_digest(given.encode("utf-8", "replace"), who.csrf_token.encode()):
            raise NotAllowed("the CSRF token is missing or wrong: load the page again", who)
    return who


def visitor(who: Annotated[Visitor, Depends(signed_in)]) -> Visitor:
    """Who is there. Raises NotSignedIn, NotAllowed, MustChangePassword."""
    if who.must_change:
        raise MustChangePassword
    return who


Who = Annotated[Visitor, Depends(visitor)]  # the parameter of a route for whoever may see


def is_still_there(request: Request) -> bool:
    """Whether who asked for a stream has not been signed out, disabled or idle for too long since."""
    try:
        visitor(signed_in(request, {}))
    except (NotSignedIn, MustChangePassword):
        return False
    return True


def needs(right: Right) -> Callable[[Visitor], Visitor]:
    """For ``Depends``: 403 without ``right``, else the visitor."""

    def check(who: Who) -> Visitor:
        if not who.may(right):
            raise NotAllowed(f"this needs the right to {right.value}", who, right)
        return who

    return check


def nobody(request: Request) -> Visitor:
    """A stranger, in the language of their cookie or of the station."""
    return Visitor(name="", full_name="", role=None, language=_language(request))


def stores_of(request: Request) -> Stores:
    """The stores of the application that serves ``request``."""
    stores: Stores = request.app.state.stores
    return stores


def surroundings_of(request: Request) -> Surroundings:
    """What stands around the application that serves ``request``."""
    surroundings: Surroundings = request.app.state.surroundings
    return surroundings


def address_of(request: Request) -> str:
    """The other side's address; "" where the server does not say."""
    return request.client.host if request.client else ""


def session_cookie(request: Request) -> str:
    """The cookie's name; the prefix makes browsers hold to Secure, Path=/ and no Domain (RFC 6265bis 4.1.3)."""
    return "__Host-session" if surroundings_of(request).is_tls else "session"


def browser_cookie(request: Request, name: str) -> str:
    """The cookie by which a browser shows that this user signed in here before; people share computers."""
    prefix = "__Host-" if surroundings_of(request).is_tls else ""
    return f"{prefix}browser-{hashlib.sha256(name_key(name).encode()).hexdigest()[:16]}"


def csrf_token_of(session_id: str) -> str:
    """Bound to the session; does not give the session away."""
    return hashlib.sha256(b"csrf " + session_id.encode("utf-8", "replace")).hexdigest()


def _visitor(request: Request, user: Account, *, csrf_token: str, must_change: bool) -> Visitor:
    return Visitor(
        name=user.name,
        full_name=user.full_name,
        role=user.role,
        language=user.language or _language(request),
        csrf_token=csrf_token,
        must_change=must_change,
    )


def _language(request: Request) -> str:
    wanted = request.cookies.get(LANGUAGE_COOKIE, "")
    return wanted if wanted in LANGUAGES else surroundings_of(request).language


def _is_background(request: Request) -> bool:
    return request.url.path.startswith(BACKGROUND)
