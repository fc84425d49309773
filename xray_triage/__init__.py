"""Reads chest films at a health station, makes DICOM results, shows the doctor the case."""

__version__ = "0.1.0"
