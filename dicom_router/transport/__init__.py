"""Ways to hand an instance to a peer: DIMSE, DICOMweb, a folder. One seam, in protocol.py."""
