"""A case as one folder for a stick: its objects, its result as a document, its record, and the checksum of every file.

Whoever gets it looks at it with any viewer, and proves it with ``sha256sum -c SHA256SUMS``. Talks to no peer.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from dicom_router.errors import PeerUnreachable
from dicom_router.files import write_whole
from xray_triage.reading.bundle import sha256_of
from xray_triage.records.fhir import bundle
from xray_triage.stores import Stores

CHECKSUMS = "SHA256SUMS"
RESULT_FILE, BUNDLE_FILE = "result.pdf", "fhir.json"


def documents(stores: Stores, case_id: str) -> Iterator[tuple[str, bytes]]:
    """What a package has beside the DICOM objects: name and bytes of each file. Raises UnknownCase."""
    pdf = stores.signing.pdf(case_id)
    if pdf is not None:
        yield RESULT_FILE, pdf
    record = bundle(stores.gatherer.newest(case_id))
    yield BUNDLE_FILE, json.dumps(record, ensure_ascii=False, indent=2).encode()


def seal(stores: Stores, case_id: str, folder: Path) -> None:
    """Put the documents beside the objects that were written to ``folder``, and last the checksums of all.

    Raises UnknownCase, PeerUnreachable when the stick does not take them.
    """
    try:
        for name, content in documents(stores, case_id):
            write_whole(folder / name, content)
        files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != CHECKSUMS)
        lines = [f"{sha256_of(path)}  {path.relative_to(folder).as_posix()}\n" for path in files]
        write_whole(folder / CHECKSUMS, "".join(lines).encode())
    except OSError as error:
        raise PeerUnreachable(f"{folder}: {error.strerror or error}; check the medium") from error
