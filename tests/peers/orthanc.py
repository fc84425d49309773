"""A real Orthanc on loopback as the central PACS of a test."""
