"""JSON API, pages and DICOMweb. Imports cases and findings; never pynetdicom, never onnxruntime."""
