"""ONNX Runtime tells nobody that it is used."""

import os
import subprocess
import sys
from pathlib import Path


def test_it_keeps_nothing_to_tell_its_maker(tmp_path: Path) -> None:
    folders = dict.fromkeys(("HOME", "TMPDIR", "XDG_CACHE_HOME"), str(tmp_path))
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"} | folders
    open_one = "import xray_triage.reading.runtime, onnxruntime; onnxruntime.SessionOptions()"
    subprocess.run([sys.executable, "-c", open_one], env=environment, check=True, timeout=120)
    assert list(tmp_path.iterdir()) == []
