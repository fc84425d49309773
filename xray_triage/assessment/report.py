"""The accuracy table as words: for the terminal, for table.md and as figures for figures.json. It measures nothing."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from xray_triage.assessment.accuracy import FEWEST, Accuracy, LabelFigures
from xray_triage.assessment.figures import Interval

HEADINGS = ("label", "with / films", "AUC", "threshold", "sensitivity", "specificity", "ECE", "Brier", "shown")


def heading(accuracy: Accuracy) -> str:
    """Whose figures these are, in one line."""
    return f"{accuracy.model.name} {accuracy.model.version}, model.onnx {accuracy.model.sha256[:12]}"


def rows(figures: Sequence[LabelFigures]) -> list[list[str]]:
    """Under HEADINGS, one row a label."""
    return [
        [
            each.label,
            f"{each.positives} / {each.films}",
            _with_interval(each.auc, each.auc_interval),
            f"{each.threshold:.3f}",
            _with_interval(each.sensitivity, each.sensitivity_interval),
            _with_interval(each.specificity, each.specificity_interval),
            _plain(each.calibration_error),
            _plain(each.brier),
            "withheld" if each.withheld else "yes",
        ]
        for each in figures
    ]


def notes(accuracy: Accuracy) -> list[str]:
    """What must be known to read the table, a sentence each."""
    lines = [f"{accuracy.films} films, {accuracy.read} of them read."]
    for source, reasons in sorted(accuracy.refused.items()):
        said = ", ".join(f"{reason} {count}" for reason, count in sorted(reasons.items(), key=lambda item: -item[1]))
        lines.append(f"Not read{f' from {source}' if source else ''}: {said}.")
    if accuracy.read < accuracy.films:
        lines.append(
            "Figures count films that only the model's input gate refused as well."
            if accuracy.with_refused
            else "Figures are over the films that were read; --with-refused counts those too that only the input gate "
            "refused."
        )
    lines.append("In brackets 95 % intervals: bootstrap over whole groups (patients); of shares never under Wilson's.")
    lines += [f"{each.label} is withheld: {each.withheld}." for each in accuracy.figures if each.withheld]
    if accuracy.parts:
        lines.append(
            f"A part of the films has figures for labels with at least {FEWEST} films with and {FEWEST} without."
        )
    if accuracy.cardiothoracic:
        ratio = accuracy.cardiothoracic
        lines.append(
            f"Cardiothoracic ratio: mean absolute error {ratio.mean_absolute_error:.3f} on {ratio.films} films."
        )
    return lines


def as_markdown(accuracy: Accuracy) -> str:
    """table.md: the table over all films, the notes, and a table for every part."""
    parts = [f"## {part.by}: {part.value}\n\n{_table(part.figures)}" for part in accuracy.parts]
    said = "\n".join(f"* {note}" for note in notes(accuracy))
    return "\n\n".join([f"# {heading(accuracy)}", _table(accuracy.figures), said, *parts]) + "\n"


def as_json(accuracy: Accuracy) -> dict[str, Any]:
    """figures.json, and what --json prints."""
    return asdict(accuracy)


def _table(figures: Sequence[LabelFigures]) -> str:
    lines = [HEADINGS, ["---"] * len(HEADINGS), *rows(figures)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _with_interval(figure: float | None, interval: Interval | None) -> str:
    return "–" if figure is None or interval is None else f"{figure:.3f} ({interval[0]:.2f}–{interval[1]:.2f})"


def _plain(figure: float | None) -> str:
    return "–" if figure is None else f"{figure:.3f}"
