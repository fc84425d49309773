"""What the live parts of pages have in common: sent only when they changed, and what stands above every list and case.

Knows no template.
"""

import hashlib
from dataclasses import dataclass
from datetime import timedelta

from fastapi import Request
from starlette.responses import HTMLResponse, Response

from xray_triage.health.checks import Check, Health, troubles
from xray_triage.stores import Stores

TOLD_FOR = timedelta(days=7)  # above every page; its own case says it for ever


@dataclass(frozen=True, slots=True, kw_only=True)
class Banners:
    """What is not as it should be at the station. ``unreachable``: destinations that did not answer the last try.

    ``quarantined``: the Study Instance UID of each file that was kept apart lately.
    """

    troubles: tuple[Check, ...]
    unreachable: tuple[str, ...]
    waiting: int
    refused: int
    quarantined: tuple[str, ...]


def banners(stores: Stores, health: Health) -> Banners:
    """How the station is now, from what it knows already: nobody is asked."""
    summary = stores.outbox.summary()
    lately = stores.clock.now() - TOLD_FOR
    return Banners(
        troubles=tuple(troubles(health.report())),
        unreachable=tuple(d.name for d in summary.destinations if not d.reachable),
        waiting=summary.waiting + summary.sending,
        refused=summary.refused_count,
        quarantined=tuple(a.instance.study_instance_uid for a in stores.inbox.quarantined() if a.received_at > lately),
    )


def unless_same(request: Request, fragment: bytes) -> Response:
    """304 when the browser shows this very fragment already."""
    tag = f'"{hashlib.sha256(fragment).hexdigest()[:32]}"'
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers={"ETag": tag})
    return HTMLResponse(fragment, headers={"ETag": tag})
