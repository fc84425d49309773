"""Tells every open page when anything was committed, by server-sent events. Knows no case, and writes nothing.

One look at the database serves all pages that listen, and there is none while nobody does. A page that is told asks for
its live parts anew; one that cannot be told (the stream was cut, there are too many) asks every few seconds.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Hashable
from functools import partial

from fastapi import APIRouter, Request
from sqlalchemy.exc import DBAPIError
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from xray_triage.stores import Stores
from xray_triage.web.security.visitor import is_still_there

LOOK_SECONDS = 0.25  # so a page is told at most four times a second
BEAT_SECONDS = 15.0  # so often a stream is written to, to notice a page that is gone, and who was signed out meanwhile
MOST_LISTENERS = 100
HELLO, BEAT, CHANGED = b"retry: 1000\n\n", b": \n\n", b"event: changed\ndata: 1\n\n"


class Watcher:
    """Looks for commits while anybody listens. ``version`` gives another value after each commit."""

    def __init__(self, version: Callable[[], Hashable]) -> None:
        self._version = version
        self._listeners: set[asyncio.Event] = set()
        self._looking: asyncio.Task[None] | None = None
        self._first_look = asyncio.Event()

    @property
    def is_full(self) -> bool:
        return len(self._listeners) >= MOST_LISTENERS

    async def listen(
        self, is_ending: Callable[[], bool], is_welcome: Callable[[], bool] = lambda: True
    ) -> AsyncIterator[bytes]:
        """The stream of one page; it ends soon after ``is_ending()``, and when the database does not answer.

        Whether who listens ``is_welcome()`` still is asked at every beat, in a thread.
        """
        woken = asyncio.Event()
        self._listeners.add(woken)
        if self._looking is None or self._looking.done():
            self._first_look = asyncio.Event()
            self._looking = asyncio.create_task(self._look(is_ending, self._first_look))
        looking = self._looking
        try:
            await self._first_look.wait()  # from its greeting on, a page misses no commit
            yield HELLO
            now = asyncio.get_running_loop().time
            beat_at = now() + BEAT_SECONDS
            while not looking.done():
                try:
                    async with asyncio.timeout_at(beat_at):
                        await woken.wait()
                except TimeoutError:
                    if not await run_in_threadpool(is_welcome):
                        return
                    beat_at = now() + BEAT_SECONDS
                    yield BEAT
                    continue
                woken.clear()
                yield CHANGED
        except (DBAPIError, sqlite3.Error):
            pass
        finally:
            self._listeners.discard(woken)

    async def _look(self, is_ending: Callable[[], bool], first_look: asyncio.Event) -> None:
        try:
            known = await run_in_threadpool(self._version)
            first_look.set()
            while self._listeners and not is_ending():
                await asyncio.sleep(LOOK_SECONDS)
                seen = await run_in_threadpool(self._version)
                if seen != known:
                    known = seen
                    self._wake()
        except (DBAPIError, sqlite3.Error):
            pass  # the pages come again, and say that they are lost for as long as it lasts
        finally:
            first_look.set()
            asyncio.get_running_loop().call_soon(self._wake)  # once this task counts as done

    def _wake(self) -> None:
        for listener in self._listeners:
            listener.set()


def event_router(stores: Stores) -> APIRouter:
    """The route of the stream."""
    events = APIRouter()
    watcher = Watcher(stores.casebook.version)

    @events.get("/events")
    async def tell_changes(request: Request) -> Response:
        if watcher.is_full:
            return Response("too many pages listen", 503, {"Retry-After": "30"}, media_type="text/plain")
        stream = watcher.listen(request.app.state.is_ending, partial(is_still_there, request))
        return StreamingResponse(stream, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})

    return events
