"""Pictures of single frames, made in a process of their own, for clients that decode no DICOM."""
