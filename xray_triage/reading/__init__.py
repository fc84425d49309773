"""Film to findings. Knows pixels and models; no network, no database, no page."""

import os

# ONNX Runtime (seen in 1.31) keeps a database of its use in the home folder and sends it to its maker, unless told
# before it is imported, which runtime.py does. No word of a station leaves it.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
