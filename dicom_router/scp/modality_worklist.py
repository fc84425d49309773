"""Modality Worklist SCP, PS3.4 annex K: a machine asks whom to film. Knows no patient: its caller gives the entries."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial

import structlog
from sqlalchemy.exc import SQLAlchemyError

from dicom_router.dicom.keys import CHARACTER_SET, Keys, encode
from dicom_router.dicom.matching import BadIdentifier, matches, select, without_accents
from dicom_router.errors import DamagedFile
from dicom_router.scp.provider import SUCCESS, UNRECOGNISED_OPERATION, TooLong, read_keys
from dicom_router.upper_layer.acceptor import Message
from dicom_router.upper_layer.command import CommandField, Response

MODALITY_WORKLIST = "1.2.840.10008.5.1.4.31"
MATCH, MATCH_WITHOUT_SOME_KEYS = 0xFF00, 0xFF01
OUT_OF_RESOURCES = 0xA700
IDENTIFIER_MISMATCH = 0xA900
UNABLE_TO_PROCESS = 0xC000

# Specific Character Sets that carry Vietnamese, the first that is found in the query is the answer's.
_VIETNAMESE_SETS = {"ISO_IR 192": "utf-8", "GB18030": "gb18030"}

Entries = Callable[[Keys, str], Iterable[Keys]]

log = structlog.get_logger()


class Worklist:
    """A provider. ``entries`` gives, for a query and a calling AE title, the whole entries that may match it.

    An entry has every attribute that the site can tell, the unknown ones empty. ``entries`` may raise SQLAlchemyError:
    the machine is told to try later.
    """

    sop_class_uid = MODALITY_WORKLIST

    def __init__(self, entries: Entries) -> None:
        self._entries = entries

    def answer(self, message: Message, *, calling_ae_title: str) -> Iterator[Response]:
        """One response for each match and a final one. See Provider."""
        if message.request.field != CommandField.C_FIND_RQ:
            yield Response(UNRECOGNISED_OPERATION, "only C-FIND is served for the worklist")
            return
        found = 0
        try:
            keys = read_keys(message)
            if not keys:
                raise BadIdentifier("a query without keys")
            for entry in self._entries(keys, calling_ae_title):
                if matches(keys, entry):
                    found += 1
                    yield _match(keys, entry, message.context.transfer_syntax_uid)
        except TooLong as error:
            yield self._refuse(OUT_OF_RESOURCES, str(error), calling_ae_title)
        except BadIdentifier as error:
            yield self._refuse(IDENTIFIER_MISMATCH, str(error), calling_ae_title)
        except DamagedFile as error:
            yield self._refuse(UNABLE_TO_PROCESS, str(error), calling_ae_title)
        except SQLAlchemyError as error:
            log.error("worklist not read", error=str(error).splitlines()[0])
            yield Response(OUT_OF_RESOURCES, "the database does not answer, try later")
        else:
            log.info("worklist asked", calling_ae_title=calling_ae_title, found=found)
            yield Response(SUCCESS)

    def _refuse(self, status: int, reason: str, calling_ae_title: str) -> Response:
        log.warning("worklist query refused", calling_ae_title=calling_ae_title, reason=reason)
        return Response(status, reason)


def _match(keys: Keys, entry: Keys, transfer_syntax_uid: str) -> Response:
    selected, whole = select(keys, entry)
    if not selected:  # a match must have an identifier
        raise BadIdentifier("a query without any key that the worklist has")
    asked = str(keys.get(CHARACTER_SET, ""))
    character_set = next((each for each in _VIETNAMESE_SETS if each in asked), "")
    if character_set:
        selected[CHARACTER_SET] = character_set
    encoding = _VIETNAMESE_SETS.get(character_set)
    write = partial(str.encode, encoding=encoding) if encoding else _plainly
    dataset = encode(selected, transfer_syntax_uid, write)
    return Response(MATCH if whole else MATCH_WITHOUT_SOME_KEYS, dataset=dataset)


def _plainly(text: str) -> bytes:
    """In the default repertoire: no other character set that machines know has all Vietnamese letters."""
    return without_accents(text).encode("ascii", "replace")
