"""DICOM as bytes and values: identities, headers, frames, text, matching. Knows no network, no disk, no database."""
