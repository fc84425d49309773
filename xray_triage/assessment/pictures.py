"""Two pictures of the figures: roc.png and calibration.png. The only module that imports matplotlib."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from xray_triage.assessment.accuracy import FEWEST, Accuracy, known
from xray_triage.assessment.figures import Scores, Truth
from xray_triage.assessment.predictions import Prediction

PANEL_INCHES, ACROSS = 2.4, 4
BINS = 10


def draw(accuracy: Accuracy, answers: Sequence[Prediction], folder: Path) -> list[Path]:
    """Both pictures into ``folder``, one panel for every label with enough films; none when no label has."""
    counted = [answer for answer in answers if accuracy.with_refused or answer.refused is None]
    labels = [f for f in accuracy.figures if min(f.positives, f.films - f.positives) >= FEWEST]
    if not labels:
        return []
    written = []
    for name, draw_panel in (("roc.png", _roc), ("calibration.png", _calibration)):
        down = -(-len(labels) // ACROSS)
        figure = Figure(figsize=(PANEL_INCHES * ACROSS, PANEL_INCHES * down), layout="constrained")
        FigureCanvasAgg(figure)
        for number, each in enumerate(labels):
            axes = figure.add_subplot(down, ACROSS, number + 1)
            axes.plot((0, 1), (0, 1), color="0.8", linewidth=0.8)
            scores, truth, _ = known(each.label, counted)
            draw_panel(axes, scores, truth, each.threshold)
            axes.set_title(f"{each.label} ({each.auc:.2f})" if name == "roc.png" else each.label, fontsize=8)
            axes.tick_params(labelsize=6)
        figure.savefig(folder / name, dpi=150)
        written.append(folder / name)
    return written


def _roc(axes: Axes, scores: Scores, truth: Truth, threshold: float) -> None:
    """Sensitivity over 1 - specificity; the dot is the threshold."""
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.diff(scores[order]) != 0, True)  # of films with one score: the curve has no point within
    hits, alarms = np.cumsum(truth[order])[last], np.cumsum(1 - truth[order])[last]
    n_with, n_without = truth.sum(), (1 - truth).sum()
    axes.plot(np.append(0, alarms / n_without), np.append(0, hits / n_with), linewidth=1)
    over = scores >= threshold
    axes.plot(((1 - truth)[over].sum() / n_without,), (truth[over].sum() / n_with,), "o", markersize=4)


def _calibration(axes: Axes, scores: Scores, truth: Truth, threshold: float) -> None:
    """How often it is there over how probable it was said to be, in bins of as many films each."""
    bins = [part for part in np.array_split(np.argsort(scores), BINS) if len(part)]
    said, seen = [scores[part].mean() for part in bins], [truth[part].mean() for part in bins]
    axes.plot(said, seen, "o-", linewidth=1, markersize=3)
    axes.axvline(threshold, color="0.6", linewidth=0.8, linestyle=":")
    top = min(1.0, 1.1 * max(0.1, *said, *seen))
    axes.set_xlim(0, top)
    axes.set_ylim(0, top)
