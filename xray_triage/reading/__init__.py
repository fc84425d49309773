"""Film to findings. Knows pixels and models; no network, no database, no page."""
