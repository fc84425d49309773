"""Blocks on a connection: cut anywhere, broken off, between noise, without an end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray_triage.hl7.message import MOST_BYTES, NotHl7
from xray_triage.hl7.mllp import Blocks, framed

PLAIN = st.binary(max_size=40).map(lambda content: content.replace(b"\x0b", b"").replace(b"\x1c", b""))


@given(st.lists(PLAIN, max_size=5), st.integers(1, 7))
def test_messages_come_out_as_they_went_in_however_the_bytes_are_cut(sent: list[bytes], step: int) -> None:
    stream, blocks = b"noise".join(map(framed, sent)), Blocks()
    came = [one for at in range(0, len(stream), step) for one in blocks.feed(stream[at : at + step])]
    assert (came, blocks.is_open) == (sent, False)


def test_a_block_that_was_broken_off_is_no_message() -> None:
    blocks = Blocks()
    assert list(blocks.feed(b"\x0bMSH|half" + framed(b"MSH|whole"))) == [b"MSH|whole"]
    assert not list(blocks.feed(b"\x0bMSH|"))
    assert blocks.is_open


def test_a_block_without_end_is_not_kept_in_memory() -> None:
    blocks = Blocks()
    with pytest.raises(NotHl7, match="at most"):
        list(blocks.feed(b"\x0b" + b"x" * (MOST_BYTES + 1)))
    assert list(blocks.feed(framed(b"MSH|next"))) == [b"MSH|next"]
