"""The figures' old address; they live in xray_triage.assessment.figures, where the station's verbs reach them too."""

from xray_triage.assessment.figures import *  # noqa: F403
