"""The station's own DICOMweb."""
