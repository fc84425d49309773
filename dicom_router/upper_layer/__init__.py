"""DICOM's upper layer (PS3.8): PDUs, negotiation, commands, both roles of an association. Knows no film, no queue."""
