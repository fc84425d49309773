"""Real films through the whole station with the shipped model: what is a chest film is read, what is not says why."""

from collections import defaultdict
from pathlib import Path

import pydicom
import pytest

from tests.factories import film_file, shared_folder, until
from tests.peers.dcmtk import dciodvfy, dsrdump, sender_option, storescu
from tests.peers.orthanc import OrthancPeer
from tests.peers.station import AE_TITLE
from tests.scenarios.conftest import MakeStation
from xray_triage.reading.findings import REASONS

CHESTS = ("ivmartel", "mlmed", "udacity")
REPORT = "1.2.840.10008.5.1.4.1.1.88.33"
REQUEST = "1.2.840.10008.5.1.4.1.1.88.59"


@pytest.mark.filterwarnings("ignore:Invalid value for VR", "ignore:The value length")
def test_every_chest_film_is_read_and_every_other_says_why(
    make_station: MakeStation, tmp_path: Path, own_orthanc: OrthancPeer
) -> None:
    station = make_station(pacs=own_orthanc)
    station.start()
    paths = sorted((shared_folder() / "data" / "dicom").glob("*.dcm"))
    sources = {}
    for path in paths:
        header = pydicom.dcmread(path, stop_before_pixels=True)
        syntax = sender_option(str(header.file_meta.TransferSyntaxUID))
        sent = storescu(station.dicom_port, path, called=AE_TITLE, extra=[syntax])
        assert sent.returncode == 0, f"{path.name}: {sent.stderr}"
        sources.setdefault(str(header.SOPInstanceUID), path.name.split("__")[0])
    until(lambda: station.images().keys() == sources.keys())
    until(station.is_done)
    assert not station.get("/api/queue")["refused"]

    made = defaultdict(list)
    for case in station.get("/api/cases?limit=100"):
        for delivery in case["deliveries"]:
            made[case["case_id"]].append(delivery["what"])
        for image in case["images"]:
            is_chest = sources[image["sop_instance_uid"]] in CHESTS
            assert image["status"] == ("read" if is_chest else "not_read"), sources[image["sop_instance_uid"]]
            assert (image["reason"] in REASONS) is not is_chest
        films, read = len(case["images"]), [image for image in case["images"] if image["status"] == "read"]
        whats = made[case["case_id"]]
        assert whats.count("original") == whats.count("sr") == whats.count("sc") == films
        assert whats.count("gsps") == len(read)
        assert whats.count("request") == whats.count("request_sc") == (1 if case["priority"] == "urgent" else 0)

    uids = own_orthanc.sop_instance_uids()
    assert len(uids) == len(set(uids)) == sum(map(len, made.values()))
    for instance in own_orthanc.instances():
        dataset = pydicom.dcmread(pydicom.filebase.DicomBytesIO(own_orthanc.download(instance)))
        if dataset.SOPInstanceUID in sources:
            continue
        path = film_file(tmp_path / f"{dataset.SOPInstanceUID}.dcm", dataset)
        if dataset.StudyInstanceUID != "1.2.3.4.5.6":  # the study with the invalid UID
            assert dciodvfy(path) == []
        if dataset.SOPClassUID in (REPORT, REQUEST):
            assert "<" in dsrdump(path)
    assert station.stop() == 0
