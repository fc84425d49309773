"""Answers HEAD with the head of what GET would get (RFC 9110 9.3.2). Knows no route."""

import asyncio

from starlette.types import Message, Receive, Scope, Send


def as_get(scope: Scope, send: Send) -> tuple[Scope, Receive, Send]:
    """The same request as a GET, for an application that knows no HEAD; the answer ends where its body would begin."""
    ended = asyncio.Event()
    asked = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> Message:
        if message := next(asked, None):
            return message
        await ended.wait()  # then nobody listens: a stream ends too
        return {"type": "http.disconnect"}

    async def send_head(message: Message) -> None:
        if message["type"] == "http.response.start":
            await send(message)
            await send({"type": "http.response.body", "body": b""})
            ended.set()

    return {**scope, "method": "GET"}, receive, send_head
