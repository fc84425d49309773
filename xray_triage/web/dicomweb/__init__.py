"""The station's own read-only DICOMweb, QIDO-RS and WADO-RS (PS3.18 10), over films and results. Decodes no pixel."""

from xray_triage.web.dicomweb.routes import dicomweb_router

__all__ = ["dicomweb_router"]
