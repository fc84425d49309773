"""A doctor signs the newest version of a result. Knows no token and no page; who signs is noted by the caller.

Where it does not work the result stays as it is, final and unsigned, and can be signed later.
"""

from collections.abc import Callable, Iterable

from xray_triage.records.book import ResultBook
from xray_triage.records.signing.faults import CannotSign, Fault
from xray_triage.records.signing.pins import WrongPins
from xray_triage.records.signing.signatures import Signature, Signatures
from xray_triage.records.signing.signer import Signer

Paper = Callable[[str, int], bytes | None]  # case and version -> its PDF as it was made, None where there is none


class ResultSigning:
    """Joins results, their paper, the key, and what was signed."""

    def __init__(
        self, results: ResultBook, signatures: Signatures, signer: Signer, pins: WrongPins, *, paper: Paper
    ) -> None:
        self._results, self._signatures, self._signer, self._pins = results, signatures, signer, pins
        self._paper = paper

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
        paper = self._paper(case_id, version)
        if paper is None:
            raise CannotSign(Fault.NO_RESULT, "it has no paper")
        self._signatures.keep(case_id, version, self._signer.sign(paper, pin=pin), by=by)
        return self._signatures.of(case_id)[version]

    def pdf(self, case_id: str, version: int) -> bytes | None:
        """A version on paper, as it was signed, else as it was made; None: there is none. Raises UnknownCase."""
        return self._signatures.pdf(case_id, version) or self._paper(case_id, version)

    def newest_pdf(self, case_id: str) -> bytes | None:
        """The same of the newest version."""
        versions = self._results.versions(case_id)
        return self.pdf(case_id, versions[-1].version) if versions else None

    def signatures(self, case_id: str) -> dict[int, Signature]:
        """Of every version that is signed. Raises UnknownCase."""
        return self._signatures.of(case_id)

    def signed(self, case_ids: Iterable[str]) -> frozenset[tuple[str, int]]:
        """Case and version of all that are signed."""
        return self._signatures.among(case_ids)

    def forgive(self) -> None:
        """A person says that PINs may be tried again."""
        self._pins.forgive()
