"""The gate and the post: DICOM instances in, DICOM instances out, acknowledged. Knows DICOM, knows no AI."""
