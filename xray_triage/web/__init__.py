"""The web application: pages for people, JSON for programs, DICOMweb for viewers. Runs no model."""
