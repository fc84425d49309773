"""The desk: JSON API and pages. Imports cases and findings; never pynetdicom, never onnxruntime."""
