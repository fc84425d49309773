"""From a file in the spool to a reading: opened, admitted, classified. Writes nothing down."""

from dicom_router.clock import Clock
from dicom_router.dicom.instance import Arrival, read_dataset, read_header
from dicom_router.errors import DamagedFile
from xray_triage.model.acquaintance import Met, Site
from xray_triage.model.site import Card
from xray_triage.reader.film import Film, bare_header, refused_by, unread, without_pixels
from xray_triage.reader.policy import SitePolicy
from xray_triage.reading.acquisition import machine_of
from xray_triage.reading.classifier import Classifier
from xray_triage.reading.findings import REASONS, NotReadable, Reading
from xray_triage.reading.laterality import with_sides
from xray_triage.reading.onnx_classifier import ModelFailed
from xray_triage.reading.patient import repair_text
from xray_triage.reading.radiograph import FILM_CLASSES, Radiograph, admit, glimpse
from xray_triage.reading.triage import decide, not_read
from xray_triage.results.wording import AGE_UNKNOWN
from xray_triage.stores import Stores

LAST_TRY = 3
MODEL_FAILURES = 2  # in a row: then it is hardly the film


class Interpreter:
    """Makes a reading of each film, and knows how the model did on the last ones."""

    def __init__(
        self, stores: Stores, classifier: Classifier | None, policy: SitePolicy, *, clock: Clock, card: Card | None
    ) -> None:
        self._stores = stores
        self._classifier = classifier
        self._card = card
        self._site = Site(stores.machines, accepts=policy.site_cut_offs)
        self._policy = policy
        self._clock = clock
        self.films_read = 0  # by the model, and what it said can be used, be it "no chest film"
        self._failures: list[str] = []

    @property
    def problem(self) -> str | None:
        """Why the model is of no use, as it failed on the last films, one after another; None while it is."""
        if len(self._failures) < MODEL_FAILURES:
            return None
        return f"the model failed on the last {len(self._failures)} films: {self._failures[-1]}"

    def _note_use(self, reading: Reading) -> None:
        why = reading.not_readable
        if why is not None and why.reason is REASONS["model_failed"]:
            self._failures.append(why.detail)
        elif reading.model is not None:
            self.films_read += 1
            self._failures.clear()

    def read(self, arrival: Arrival) -> Film:
        """What the model says of the film, or why it was not read."""
        try:
            with self._stores.spool.open(arrival.spooled.key) as stream:
                dataset = read_dataset(stream)
            repair_text(dataset)
        except (DamagedFile, OSError, ValueError) as error:
            return self.unread(arrival, NotReadable(reason=REASONS["damaged_pixels"], detail=str(error)))
        if arrival.instance.sop_class_uid not in FILM_CLASSES:
            return Film(arrival=arrival, header=dataset, reading=unread(NotReadable(reason=REASONS["not_a_film"])))
        arrived = arrival.received_at.astimezone().date()
        radiograph = admit(dataset, self._policy.admission, arrived=arrived)
        if isinstance(radiograph, NotReadable):
            view = glimpse(dataset, self._policy.admission)
            header = without_pixels(dataset)
            reading = unread(radiograph, header, arrived)
            return Film(arrival=arrival, header=header, reading=reading, radiograph=view)
        header = without_pixels(dataset)
        share, met = self._policy.urgent_share, None
        if self._card is not None:
            met = self._site.meet(machine_of(header), self._card, urgent_share=share)
        reading = classify(radiograph, self._classifier, self._policy, clock=self._clock, met=met)
        self._note_use(reading)
        return Film(arrival=arrival, header=header, radiograph=radiograph, reading=reading)

    def set_aside(self, arrival: Arrival, attempt: int) -> Film:
        """A film that no reader survived. When even its header was too much, it is known by its names alone."""
        why = NotReadable(reason=REASONS["reader_died"])
        if attempt > LAST_TRY:
            return Film(arrival=arrival, header=bare_header(arrival.instance), reading=unread(why))
        return self.unread(arrival, why)

    def unread(self, arrival: Arrival, why: NotReadable) -> Film:
        """A film whose pixels must not, or cannot, be touched: its header if that much can be read."""
        try:
            with self._stores.spool.open(arrival.spooled.key) as stream:
                header = read_header(stream)
            repair_text(header)
        except (DamagedFile, OSError, ValueError):
            header = bare_header(arrival.instance)
        return Film(arrival=arrival, header=header, reading=unread(why))


def classify(
    radiograph: Radiograph,
    classifier: Classifier | None,
    policy: SitePolicy,
    *,
    clock: Clock,
    met: Met | None = None,
) -> Reading:
    """What the model says of an admitted film, and how soon a doctor should look. No model, no guess.

    ``met``: what is known of its machine, where anybody keeps count of machines.
    """
    if classifier is None:
        return unread(NotReadable(reason=REASONS["no_model"]))
    started = clock.monotonic()
    try:
        findings = classifier.classify(radiograph, met.cut_offs if met else None)
    except ModelFailed as error:
        return unread(NotReadable(reason=REASONS["model_failed"], detail=str(error)))
    unread_for = findings if isinstance(findings, NotReadable) else None
    told = None if isinstance(findings, NotReadable) else findings
    seen = with_sides(told, radiograph.columns, radiograph.towards) if told else None
    return Reading(
        decision=decide(seen, policy.triage, severe_from=met.severe_from if met else None) if seen else not_read(),
        findings=seen,
        not_readable=unread_for,
        flags=(
            *radiograph.flags,
            *([AGE_UNKNOWN] if radiograph.age_years is None else ()),
            *(seen.flags if seen else refused_by(unread_for)),
        ),
        model=classifier.identity,
        rows=radiograph.rows,
        columns=radiograph.columns,
        seconds=clock.monotonic() - started,
        machine=met.known if met and seen else None,
        view=radiograph.view,
    )
