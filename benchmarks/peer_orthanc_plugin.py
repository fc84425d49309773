"""The peer to beat: what an engineer builds in a day. Runs inside Orthanc's own Python (plugin libOrthancPython).

On each new DX film one background thread decodes it, shrinks it, runs the same network, and stores one uncompressed
Secondary Capture into the same Orthanc: no SR, no presentation state, no queue, nothing kept over a crash.
Reads BENCH_BUNDLE (folder of the model bundle) and BENCH_SITE_PACKAGES from the environment.
"""

import json
import os
import queue
import sys
import threading
from io import BytesIO
from pathlib import Path
from typing import Any

sys.path.insert(0, os.environ["BENCH_SITE_PACKAGES"])

import numpy as np
import onnxruntime
import orthanc
import pydicom
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

CAPTURE_PX = 1024
_bundle = Path(os.environ["BENCH_BUNDLE"])
_input = json.loads((_bundle / "manifest.json").read_text())["input"]
_session, _outlines = (
    onnxruntime.InferenceSession(_bundle / name, providers=["CPUExecutionProvider"])
    for name in ("model.onnx", "outlines.onnx")
)
_films: "queue.Queue[str]" = queue.Queue()


def read_film(instance: str) -> None:
    """Decode, shrink, infer, store a capture."""
    film = pydicom.dcmread(BytesIO(orthanc.GetDicomForInstance(instance)))
    pixels = film.pixel_array.astype(np.float32)
    if film.PhotometricInterpretation == "MONOCHROME1":
        pixels = pixels.max() - pixels
    grey = Image.fromarray(np.uint8(255 * (pixels - pixels.min()) / max(float(np.ptp(pixels)), 1)))
    small = np.asarray(grey.resize((_input["size"],) * 2, Image.Resampling.BILINEAR), dtype=np.float32) / 255
    tensor = np.repeat((small[None, None] - 0.5) / 0.25, _input.get("channels", 1), axis=1)
    masks = _outlines.run(None, {_outlines.get_inputs()[0].name: tensor[:, :1]})[0]
    logits = _session.run(None, {"films": tensor, "masks": masks})[0]
    orthanc.RestApiPost("/instances", capture(film, grey, float(logits.max())))


def capture(film: Dataset, grey: Image.Image, score: float) -> bytes:
    """One RGB picture of the film, uncompressed, with a red bar for the highest score."""
    picture = np.asarray(grey.resize((CAPTURE_PX, CAPTURE_PX)).convert("RGB")).copy()
    picture[:20, : int(CAPTURE_PX / (1 + np.exp(-score)))] = (255, 0, 0)
    made = Dataset()
    for keyword in ("PatientID", "PatientName", "PatientSex", "PatientBirthDate", "StudyInstanceUID", "StudyID"):
        setattr(made, keyword, film.get(keyword, ""))
    made.SOPClassUID, made.SOPInstanceUID = SecondaryCaptureImageStorage, generate_uid()
    made.SeriesInstanceUID, made.Modality, made.ConversionType = generate_uid(), "OT", "WSD"
    made.SpecificCharacterSet = film.get("SpecificCharacterSet", "ISO_IR 100")
    made.Rows = made.Columns = CAPTURE_PX
    made.SamplesPerPixel, made.PhotometricInterpretation, made.PlanarConfiguration = 3, "RGB", 0
    made.BitsAllocated = made.BitsStored = 8
    made.HighBit, made.PixelRepresentation = 7, 0
    made.PixelData = picture.tobytes()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    buffer = BytesIO()
    made.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def read_forever() -> None:
    """One film at a time, as they came."""
    while True:
        read_film(_films.get())


def on_stored(dicom: Any, instance: str) -> None:
    """Orthanc calls this within the C-STORE; the work is left to the thread."""
    if json.loads(dicom.GetInstanceSimplifiedJson())["SOPClassUID"] != SecondaryCaptureImageStorage:
        _films.put(instance)


threading.Thread(target=read_forever, daemon=True).start()
orthanc.RegisterOnStoredInstanceCallback(on_stored)
