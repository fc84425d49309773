"""The workshop: films to a model bundle. Not installed at a station; torch is imported here alone."""

import xray_triage.reading  # noqa: F401 -- first of all: it keeps ONNX Runtime from telling its maker of us
