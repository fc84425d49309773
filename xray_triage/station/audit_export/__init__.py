"""The audit trail on its way to a collector, as DICOM audit messages (PS3.15 A.5) by syslog over TLS. Knows no page."""
