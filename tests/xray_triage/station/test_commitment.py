"""Which destinations are asked to commit, and whose reports the listener lets in."""

from pathlib import Path

from dicom_router.upper_layer.gatekeeper import AllowedPeer
from xray_triage.config.destinations import Destination
from xray_triage.config.sections import ListenerSection, Peer
from xray_triage.config.station import Config
from xray_triage.station.commitment import reporting_destinations
from xray_triage.station.front import allowed_peers

PACS, MIRROR = (Destination(name=name, host="10.0.0.9", ae_title="PACS") for name in ("pacs", "mirror"))
SILENT = Destination(name="silent", host="10.0.0.8", ae_title="SILENT", commitment=False)
STICK = Destination(name="stick", kind="folder", path=Path("/media/stick"))
DESTINATIONS = (PACS, MIRROR, SILENT, STICK)


def test_only_a_pacs_that_is_asked_may_report() -> None:
    assert reporting_destinations(Config(destination=DESTINATIONS)) == {"PACS": ["pacs", "mirror"]}


def test_a_pacs_that_may_report_is_let_in_beside_the_machines() -> None:
    listener = ListenerSection(allow=(Peer(ae_title="DX1", host="10.0.0.2"),))
    machine, *pacs = allowed_peers(Config(destination=DESTINATIONS, listener=listener))
    assert machine == AllowedPeer(ae_title="DX1", host="10.0.0.2")
    assert set(pacs) == {AllowedPeer(ae_title="PACS", host="10.0.0.9")}


def test_a_station_that_lets_in_everybody_on_loopback_still_does() -> None:
    assert allowed_peers(Config(destination=DESTINATIONS)) == ()
