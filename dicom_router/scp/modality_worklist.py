"""Modality Worklist SCP, PS3.4 annex K: a machine asks whom to film. Knows no patient: its caller gives the entries."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial

import structlog
from sqlalchemy.exc import SQLAlchemyError

from dicom_router.dicom.keys import CHARACTER_SET, Keys, encode
from dicom_router.dicom.matching import BadIdentifier, matches, select, without_accents
from dicom_router.dicom.status import Status
from dicom_router.dicom.text import VIETNAMESE
from dicom_router.dicom.uids import MODALITY_WORKLIST, UNCOMPRESSED
from dicom_router.errors import DamagedFile
from dicom_router.scp.provider import TooLong, read_keys
from dicom_router.upper_layer.acceptor import Message
from dicom_router.upper_layer.command import CommandField, Response

Entries = Callable[[Keys, str], Iterable[Keys]]

log = structlog.get_logger()


class Worklist:
    """A provider. ``entries`` gives, for a query and a calling AE title, the whole entries that may match it.

    An entry has every attribute that the site can tell, the unknown ones empty. ``entries`` may raise SQLAlchemyError:
    the machine is told to try later.
    """

    transfer_syntaxes = UNCOMPRESSED

    def __init__(self, entries: Entries) -> None:
        self._entries = entries

    def serves(self, sop_class_uid: str) -> bool:
        """See Provider."""
        return sop_class_uid == MODALITY_WORKLIST

    def answer(self, message: Message) -> Iterator[Response]:
        """One response for each match and a final one. See Provider."""
        if message.request.field != CommandField.C_FIND_RQ:
            yield Response(Status.UNRECOGNISED_OPERATION, "only C-FIND is served for the worklist")
            return
        calling_ae_title, found = message.calling_ae_title, 0
        try:
            keys = read_keys(message)
            if not keys:
                raise BadIdentifier("a query without keys")
            for entry in self._entries(keys, calling_ae_title):
                if matches(keys, entry):
                    found += 1
                    yield _match(keys, entry, message.context.transfer_syntax_uid)
        except TooLong as error:
            yield self._refuse(Status.OUT_OF_RESOURCES, str(error), calling_ae_title)
        except BadIdentifier as error:
            yield self._refuse(Status.CLASS_MISMATCH, str(error), calling_ae_title)
        except DamagedFile as error:
            yield self._refuse(Status.CANNOT_UNDERSTAND, str(error), calling_ae_title)
        except SQLAlchemyError as error:
            log.error("worklist not read", error=str(error).splitlines()[0])
            yield Response(Status.OUT_OF_RESOURCES, "the database does not answer, try later")
        else:
            log.info("worklist asked", calling_ae_title=calling_ae_title, found=found)
            yield Response(Status.SUCCESS)

    def _refuse(self, status: int, reason: str, calling_ae_title: str) -> Response:
        log.warning("worklist query refused", calling_ae_title=calling_ae_title, reason=reason)
        return Response(status, reason)


def _match(keys: Keys, entry: Keys, transfer_syntax_uid: str) -> Response:
    selected, whole = select(keys, entry)
    if not selected:  # a match must have an identifier
        raise BadIdentifier("a query without any key that the worklist has")
    asked = str(keys.get(CHARACTER_SET, ""))
    character_set = next((each for each in VIETNAMESE if each in asked), "")
    if character_set:
        selected[CHARACTER_SET] = character_set
    write = partial(str.encode, encoding=VIETNAMESE[character_set]) if character_set else _plainly
    dataset = encode(selected, transfer_syntax_uid, write)
    return Response(Status.MATCH if whole else Status.MATCH_WITHOUT_SOME_KEYS, dataset=dataset)


def _plainly(text: str) -> bytes:
    """In the default repertoire: no other character set that machines know has all Vietnamese letters."""
    return without_accents(text).encode("ascii", "replace")
