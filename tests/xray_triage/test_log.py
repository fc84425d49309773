"""A log line that cannot be written is lost and counted; it stops nobody."""

import os

from xray_triage.log import SureStream


def test_a_full_disk_costs_lines_and_raises_nothing() -> None:
    descriptor = os.open("/dev/full", os.O_WRONLY)
    stream = SureStream(descriptor)
    assert [stream.write("one\n"), stream.write("two\n")] == [4, 4]
    assert stream.lost == 2
    os.close(descriptor)


def test_a_pipe_that_nobody_reads_costs_lines_and_the_next_reader_is_told_how_many() -> None:
    reading, writing = os.pipe()
    stream = SureStream(writing)
    os.close(reading)
    for _ in range(3):
        stream.write("lost\n")
    reading, another = os.pipe()
    os.dup2(another, writing)
    stream.write("Trạm y tế\n")
    stream.write("next \udce9\n")  # a file name that is no text
    told = os.read(reading, 1000).decode().splitlines()
    assert told == ['level=warning event="log lines lost" count=3', "Trạm y tế", "next \\udce9"]
    assert stream.lost == 0
    for descriptor in (reading, writing, another):
        os.close(descriptor)


def test_a_closed_descriptor_raises_nothing() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    os.close(writing)
    stream = SureStream(writing)
    stream.write("gone\n")
    assert stream.lost == 1
