"""Which machine made a film, by its header. It must never know what is done with the films of one machine."""

from dataclasses import dataclass

from pydicom.dataset import Dataset

from xray_triage.reading.header import text

LONGEST = 64  # characters of an LO (PS3.5 6.2); what a broken header has more of tells no machines apart


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A machine as its films name it, each part empty where they do not: films without any name are one machine too."""

    manufacturer: str = ""
    model: str = ""
    station: str = ""

    def __str__(self) -> str:
        return ", ".join(filter(None, (self.manufacturer, self.model, self.station)))


def machine_of(header: Dataset) -> Machine:
    """Manufacturer, Manufacturer's Model Name and Station Name (PS3.3 C.7.5.1) of a header whose text is repaired."""
    keywords = ("Manufacturer", "ManufacturerModelName", "StationName")
    manufacturer, model, station = (" ".join(text(header, keyword).split())[:LONGEST].strip() for keyword in keywords)
    return Machine(manufacturer=manufacturer, model=model, station=station)
