"""A doctor signs the newest version of a result. Knows no token and no page; who signs is noted by the caller.

Where it does not work the result stays as it is, final and unsigned, and can be signed later.
"""

from xray_triage.records.book import ResultBook
from xray_triage.records.signing.faults import CannotSign, Fault
from xray_triage.records.signing.pins import WrongPins
from xray_triage.records.signing.signatures import Signature, Signatures
from xray_triage.records.signing.signer import Signer


class ResultSigning:
    """Joins results, their paper, the key, and what was signed."""

    def __init__(self, results: ResultBook, signatures: Signatures, signer: Signer, pins: WrongPins) -> None:
        self._results, self._signatures, self._signer, self._pins = results, signatures, signer, pins

    @property
    def is_configured(self) -> bool:
        return self._signer.is_configured

    def sign(self, case_id: str, *, pin: str, by: str, as_author: bool = True) -> Signature:
        """Sign the newest version; one that is signed already is left as it is. Raises UnknownCase, CannotSign.

        ``by``: an account, which has to be the author's unless told otherwise.
        """
        versions = self._results.versions(case_id)
        if not versions:
            raise CannotSign(Fault.NO_RESULT)
        version, author = versions[-1].version, versions[-1].author
        if as_author and author.account != by:
            raise CannotSign(Fault.NOT_THE_AUTHOR)
        if (known := self._signatures.of(case_id).get(version)) is not None:
            return known
        paper = self._results.paper(case_id, version)
        if paper is None:
            raise CannotSign(Fault.NO_RESULT, "it has no paper")
        self._signatures.keep(case_id, version, self._signer.sign(paper, pin=pin, author=author.account), by=by)
        return self._signatures.of(case_id)[version]

    def pdf(self, case_id: str, version: int | None = None) -> bytes | None:
        """A version on paper, else the newest, as it was signed, else as it was made; None: there is none.

        Raises UnknownCase.
        """
        number = len(self._results.versions(case_id)) if version is None else version
        return self._signatures.pdf(case_id, number) or self._results.paper(case_id, number)

    def signatures(self, case_id: str) -> dict[int, Signature]:
        """Of every version that is signed. Raises UnknownCase."""
        return self._signatures.of(case_id)

    def forgive(self) -> None:
        """A person says that PINs may be tried again."""
        self._pins.forgive()
