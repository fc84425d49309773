"""Makes the results of one film and keeps them in the spool. Promises them to nobody."""

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO

import structlog

from dicom_router.clock import Clock
from dicom_router.dicom.instance import InstanceRef, SpooledFile, reference_to
from xray_triage.reader.film import Film
from xray_triage.reading.findings import Reading
from xray_triage.results.make import ResultObject, make_results, report_uid
from xray_triage.results.overlay import heat_png
from xray_triage.stores import Stores

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptResult:
    """A result object, safe in the spool and not yet promised to anybody."""

    what: str
    instance: InstanceRef
    spooled: SpooledFile


class ResultMaker:
    """The results of films in a station's spool."""

    def __init__(self, stores: Stores, *, station_name: str, clock: Clock) -> None:
        self._stores = stores
        self._station_name = station_name
        self._clock = clock

    def keep(self, film: Film, on_unmade: Callable[[str], None]) -> list[KeptResult]:
        """Make the result objects and keep them: all, or none. The disk takes one while the next is being made."""
        if film.is_none:
            return []
        made = make_results(
            film.header,
            film.reading,
            film.radiograph,
            station_name=self._station_name,
            at=self._clock.now(),
            supersedes=self._report_before(film.arrival.instance),
            on_unmade=on_unmade,
        )
        keeping: list[Future[KeptResult]] = []
        try:
            with ThreadPoolExecutor() as disk:
                keeping.extend(disk.submit(self._keep, result) for result in made)
            return [one.result() for one in keeping]
        except BaseException:
            self.delete(one.result().spooled for one in keeping if one.exception() is None)
            raise

    def _report_before(self, film: InstanceRef) -> InstanceRef | None:
        """The report of the film's earlier reading, where it was promised to anybody."""
        before = self._stores.casebook.image(film.sop_instance_uid)
        if before is None:
            return None
        uid = report_uid(film.sop_instance_uid, model=before.model, reason=before.reason)
        sent = (one.instance for one in self._stores.outbox.of_study(film.study_instance_uid))
        return next((instance for instance in sent if instance.sop_instance_uid == uid), None)

    def _keep(self, result: ResultObject) -> KeptResult:
        spooled = self._stores.spool.keep(BytesIO(result.encoded))
        return KeptResult(what=result.what, instance=reference_to(result.dataset), spooled=spooled)

    def delete(self, files: Iterable[SpooledFile]) -> None:
        """Of a reading that was not recorded."""
        for spooled in files:
            self._stores.spool.delete(spooled.key)


def heat_of(reading: Reading, on_unmade: Callable[[str], None]) -> bytes | None:
    """The heat map as a picture, where the model made one."""
    if reading.findings is None or reading.findings.heat_map is None:
        return None
    try:
        return heat_png(reading.findings.heat_map)
    except MemoryError:
        raise
    except Exception:  # it costs the heat map, not the reading
        log.exception("result not made", what="heat")
        on_unmade("heat")
        return None
