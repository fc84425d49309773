"""A DICOM store-and-forward node: instances in, kept, and out again until they are acknowledged. Knows no AI."""
