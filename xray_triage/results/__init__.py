"""Findings to DICOM objects: the report (SR), the picture (SC), the outlines (GSPS), the request (KOS)."""
