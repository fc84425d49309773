"""The reading room and the desk: reads chest films, makes DICOM results, shows the doctor the case."""

__version__ = "0.1.0"
