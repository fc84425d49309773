"""Measurements beside the peers; each module is run as ``python -m benchmarks.<name>``."""
