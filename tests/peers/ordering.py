"""A HIS that orders films: HL7 v2 over MLLP as vendors write it, the answers read by hl7apy. Knows nothing of ours.

Each of MANNERS is one message as a kind of HIS writes it: its version, its line ends, its letters, its way with names.
"""

import socket
import ssl
import unicodedata
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from hl7apy import core
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message

START, END = b"\x0b", b"\x1c\r"
SECONDS = 60.0


@dataclass(frozen=True)
class Answer:
    """An acknowledgement as hl7apy, which is strict, understands it. ``place``: segment and field of ERR."""

    code: str
    control_id: str
    why: str
    place: str


class OrderingHis:
    """One connection. ``tls`` is the context of a client."""

    def __init__(self, port: int, *, tls: ssl.SSLContext | None = None) -> None:
        plain = socket.create_connection(("127.0.0.1", port), timeout=SECONDS)
        self._socket = tls.wrap_socket(plain, server_hostname="127.0.0.1") if tls else plain
        self._come = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._socket.close()

    def order(self, message: bytes) -> Answer:
        """Send one message in its block, and read the answer."""
        self.send(START + message + END)
        return self.answer()

    def send(self, content: bytes) -> None:
        self._socket.sendall(content)

    def answer(self) -> Answer:
        """The next one. Raises EOFError when the station hangs up instead."""
        return understood(self.raw_answer())

    def raw_answer(self) -> bytes:
        """The same as it came, out of its block."""
        while END not in self._come:
            content = self._socket.recv(65_536)
            if not content:
                raise EOFError
            self._come += content
        block, _, self._come = self._come.partition(END)
        assert block.startswith(START)
        return block[1:]

    def is_cut(self) -> bool:
        """Whether the station has hung up, without another word."""
        try:
            return self._socket.recv(1) == b""
        except ConnectionError:
            return True


def order_once(port: int, message: bytes) -> Answer:
    """Over a connection of its own, as many HIS do."""
    with OrderingHis(port) as his:
        return his.order(message)


def understood(content: bytes) -> Answer:
    """What an acknowledgement says."""
    read = parse_message(content.decode("utf-8"), validation_level=VALIDATION_LEVEL.TOLERANT)
    assert read.msh.msh_18.value == "UNICODE UTF-8"
    errors: list[Any] = [segment for segment in read.children if segment.name == "ERR"]
    places = [error.err_2.value.split("^") for error in errors]
    return Answer(
        code=read.msa.msa_1.value,
        control_id=read.msa.msa_2.value or "",
        why=read.msa.msa_3.value or "",
        place="-".join(part for place in places for part in (place[0], *place[2:3])),
    )


def placed(
    number: str = "CD-1",
    *,
    control: str = "NW",
    message_id: str = "M-1",
    patient: str = "BN-1",
    name: str = "NGUYỄN^AN^VĂN",
    **fields: str,
) -> bytes:
    """A plain order of version 2.5, made by hl7apy. ``fields``: more of them by hl7apy's names, as ``pid_7``."""
    made = core.Message("ORM_O01", version="2.5", validation_level=VALIDATION_LEVEL.TOLERANT)
    head = {"msh_3": "HIS", "msh_4": "79012", "msh_5": "XRAY", "msh_9": "ORM^O01^ORM_O01", "msh_10": message_id}
    head |= {"msh_7": "20250601080000", "msh_11": "P", "msh_18": "UNICODE UTF-8"}
    said = {"pid_3": f"{patient}^^^BV^PI", "pid_5": name, "pid_7": "19700131", "pid_8": "M", "pv1_2": "O"}
    said |= {"orc_1": control, "orc_2": number, "obr_2": number, "obr_4": "18.0119^Chụp X-quang ngực thẳng"}
    segments = {"msh": made.msh}
    for field, value in (head | said | fields).items():
        segment = field[:3]
        if segment not in segments:
            segments[segment] = made.add_segment(segment.upper())
        setattr(segments[segment], field, value)
    return str(made.to_er7()).encode("utf-8")


def in_windows_1258(text: str) -> bytes:
    """As old Windows writes Vietnamese: most letters with a tone are two, the vowel and the tone."""
    tones = "\u0300\u0301\u0303\u0309\u0323"
    letters = []
    for letter in unicodedata.normalize("NFD", text):
        if letter in tones or not unicodedata.combining(letter):
            letters.append(letter)
        else:
            letters[-1] = unicodedata.normalize("NFC", letters[-1] + letter)
    return "".join(letters).encode("cp1258")


# What stands in the database afterwards is the same for all of them; see the test.
MANNERS: dict[str, bytes] = {
    "2.5, as the standard has it": (
        "MSH|^~\\&|HIS-A|79012|XRAY|79012|20250601081500+0700||ORM^O01^ORM_O01|A-1|P|2.5||||||UNICODE UTF-8\r"
        "PID|1||BN-1^^^BV^PI~079170012345^^^BCA^NI~DN4797912345678^^^BHYT^HC||NGUYỄN^AN^VĂN||19700131|M"
        "|||12 Lê Lợi^^Thạnh An^Cần Giờ\r"
        "PV1|1|O|||||||||||||||||LK-1\rIN1|1|BHYT\r"
        "ORC|NW|CD-1^HIS-A|||||^^^20250601080000+0700|||||BS7^TRẦN^MAI^THỊ\r"
        "OBR|1|CD-1^HIS-A||18.0119^Chụp X-quang ngực thẳng^BYT|||||||||Ho 3 tuần\r"
        "DG1|1||J18.9^Viêm phổi^I10\rZBH|1|bất kỳ\r"
    ).encode(),
    "2.3, Windows-1258, lines of Unix": in_windows_1258(
        "MSH|^~\\&|HIS-B|79012|||202506010815||ORM^O01|B-1|P|2.3\n"
        "PID||BN-1|BN-1~079170012345~DN4797912345678||NGUYỄN VĂN AN||1970|Nam|||12 Lê Lợi, Thạnh An, Cần Giờ\n"
        "PV1||O||||||BS7^TRẦN THỊ MAI|||||||||||LK-1\n"
        "ORC|NW|CD-1\n"
        "OBR|||| 18.0119 ^ Chụp X-quang ngực thẳng |||||||||Ho 3 tuần||||||||||||||||||J18.9^Viêm phổi\n"
    ),
    "2.3.1, lines of Windows, the number of the film, nothing where nothing is known": (
        "MSH|^~\\&|HIS-C|79012||||"
        "|ORM^O01|C-1|P|2.3.1\r\n"
        'PID|1|""|BN-1^""^^^MR~079170012345^^^^CCCD~DN4797912345678^^^^BHYT||NGUYỄN^VĂN AN^""||19700131000000|1'
        "|||12 Lê Lợi^^Thạnh An^Cần Giờ^^\r\n"
        "PV1|1|O|||||||||||||||||LK-1\r\n"
        "ORC|NW|CD-1^^^|\r\n"
        "OBR|1|CD-1||18.0119^Chụp X-quang ngực thẳng|||||||||Ho 3 tuần|||BS7^TRẦN THỊ MAI||ACC-000001"
        "|||||||||||||J18.9^Viêm phổi\r\n"
    ).encode(),
    "2.5.1, delimiters and escapes of its own": (
        "MSH$%!\\&$HIS-D$79012$$$20250601$$ORM%O01$D-1$P$2.5.1$$$$$$UNICODE UTF-8\r"
        "PID$1$$BN-1!079170012345%%%%NNVNM!DN4797912345678%%%%SS$$NGUYỄN%AN%VĂN$$197001$M"
        "$$$12 Lê Lợi%%Thạnh An%Cần Giờ\r"
        "PV1$1$O$$$$$$$$$$$$$$$$$LK-1\r"
        "ORC$NW$CD-1$$$$$$$$$$BS7%TRẦN%MAI%THỊ\r"
        "NTE$1$$Ho\\.br\\3 tu\\XE1BAA7\\n\rOBR$1$CD-1$$18.0119%Chụp X-quang ngực thẳng\r"
        "DG1$1$$J18.9%Viêm phổi\r"
    ).encode(),
}
