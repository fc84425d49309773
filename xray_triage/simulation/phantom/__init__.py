"""Synthetic frontal chest films with lesions of known place, for demo, tests and benchmarks. Knows no model."""

from xray_triage.simulation.phantom.lesions import LESIONS, Lesion
from xray_triage.simulation.phantom.objects import PATIENTS, PhantomPatient, dataset, write
from xray_triage.simulation.phantom.others import NON_CHESTS, non_chest
from xray_triage.simulation.phantom.render import Phantom, columns_of, render

__all__ = [
    "LESIONS",
    "NON_CHESTS",
    "PATIENTS",
    "Lesion",
    "Phantom",
    "PhantomPatient",
    "columns_of",
    "dataset",
    "non_chest",
    "render",
    "write",
]
