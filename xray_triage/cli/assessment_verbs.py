"""Verbs that measure: model evaluate, model threshold."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Column, Table

from xray_triage.cli.options import AsJson, ConfigPath, settings_or_defaults
from xray_triage.console import out, print_json, progress

if TYPE_CHECKING:
    from xray_triage.assessment.accuracy import Accuracy
    from xray_triage.assessment.cutoffs import CutOff, Judged
    from xray_triage.assessment.examiner import Examiner
    from xray_triage.assessment.predictions import Prediction

Films = Annotated[
    Path | None,
    typer.Option("--films", help="Folder of the films; default: the CSV's own, and images/ in it.", show_default=False),
]
BundleName = Annotated[
    str, typer.Option("--bundle", help="A bundle's name or folder; default: the one in use.", show_default=False)
]
Where = Annotated[
    list[str] | None,
    typer.Option("--where", metavar="COLUMN=VALUE", help="Only lines with this; repeatable.", show_default=False),
]
Ignore = Annotated[
    list[str] | None,
    typer.Option("--ignore", metavar="COLUMN", help="Pass over an unknown column; repeatable.", show_default=False),
]


def add_to(app: typer.Typer) -> None:
    """Hang the verbs of this module on ``app``."""
    app.command()(evaluate)
    app.command()(threshold)


def evaluate(
    labels: Annotated[Path, typer.Argument(metavar="LABELS.csv", exists=True, dir_okay=False, show_default=False)],
    films: Films = None,
    bundle: BundleName = "",
    out_folder: Annotated[
        Path | None,
        typer.Option("--out", help="Write figures.json, table.md, roc.png, calibration.png here.", show_default=False),
    ] = None,
    where: Where = None,
    ignore: Ignore = None,
    with_refused: Annotated[
        bool, typer.Option("--with-refused", help="Count films too that only the model's input gate refused.")
    ] = False,
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """Measure a model on labelled films, read as the station reads them.

    LABELS.csv (UTF-8) has a column `image` (PNG, JPEG or DICOM; its path in
    the folder of films) and a column for each label: 1 there, 0 not there,
    empty unknown. `no_finding` is the opposite of `abnormal`. Optional:
    `source`, `group` or `patient` (films that belong together), `age`,
    `sex`, `ctr` (cardiothoracic ratio).
    """
    from xray_triage.assessment.accuracy import measure
    from xray_triage.assessment.labels import read_labels
    from xray_triage.assessment.report import as_json as figures_json

    _, lines = read_labels(labels, where=conditions(where), ignore=ignore or ())
    examiner = _examiner(config, bundle, quiet=as_json)
    answered = examiner.answers(labels, lines, films)
    accuracy = measure(
        answered,
        examiner.identity,
        examiner.manifest.labels,
        thresholds=examiner.thresholds,
        with_refused=with_refused,
    )
    written = _write(accuracy, answered, out_folder) if out_folder else []
    if as_json:
        print_json(figures_json(accuracy))
        return
    _print_accuracy(accuracy)
    for path in written:
        out.print(f"{path} written", soft_wrap=True)


def threshold(
    label: Annotated[str, typer.Argument(metavar="LABEL", help="A label, or abnormal.", show_default=False)],
    at: Annotated[
        list[float] | None,
        typer.Option("--at", help="A cut-off to look at, 0 to 1; repeatable. Else: nine.", show_default=False),
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option(
            "--truth",
            metavar="LABELS.csv",
            help="Reference reads: as for `evaluate`, or of cases by accession_number or study_instance_uid.",
            exists=True,
            dir_okay=False,
            show_default=False,
        ),
    ] = None,
    films: Films = None,
    where: Where = None,
    ignore: Ignore = None,
    prevalence: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="Share of the site's films that have it; weighs the table.", show_default=False
        ),
    ] = None,
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """Show what another threshold would change: how many films referred, how many missed, per 1,000.

    Truth are the doctors' verdicts on this station's cases, or reference
    reads (--truth). Nothing is changed: a threshold is set in station.toml,
    under model, as thresholds = {LABEL = 0.3}.
    """
    from xray_triage.assessment.cutoffs import candidates, consequences, warnings
    from xray_triage.assessment.labels import AssessmentError

    if any(not 0 < value < 1 for value in at or ()):
        raise typer.BadParameter("between 0 and 1", param_hint="--at")
    wanted = conditions(where)
    examiner = _examiner(config, "", quiet=as_json)
    if label not in examiner.thresholds:
        known = ", ".join(examiner.thresholds)
        raise typer.BadParameter(f"{examiner.manifest.name} has {known}; not {label!r}", param_hint="LABEL")
    if truth is None:
        judged = examiner.judged_by_verdicts(label)
    else:
        judged = examiner.judged_by_reads(label, truth, films, where=wanted, ignore=ignore or ())
    if not judged.scores:
        why = "; ".join(f"{reason}: {count}" for reason, count in judged.left_out.items()) or "there is none"
        raise AssessmentError(
            f"no film of known truth for {label} ({why}); give verdicts on the page, or reads by --truth"
        )
    if prevalence is not None and not judged.misses_seen:
        raise AssessmentError(
            "--prevalence needs a sensitivity, which verdicts do not give for one finding: see --truth"
        )
    lines = consequences(judged, at or candidates(judged.scores), marks=_marks(label, examiner), prevalence=prevalence)
    said = [*_counted(judged), *judged.notes, *warnings(judged)]
    if as_json:
        print_json({
            "label": label, "model": asdict(examiner.identity), "prevalence": prevalence,
            "films": len(judged.truth), "positives": sum(judged.truth), "left_out": judged.left_out,
            "notes": said, "cut_offs": [asdict(line) for line in lines],
        })  # fmt: skip
        return
    out.print(f"{label}, {examiner.manifest.name} {examiner.manifest.version}")
    out.print(_consequences_table(lines, prevalence))
    for sentence in said:
        out.print(sentence, soft_wrap=True)


def conditions(where: Sequence[str] | None) -> dict[str, str]:
    """What --where asks, by column."""
    pairs = [text.partition("=") for text in where or ()]
    if any(not column or not equals for column, equals, _ in pairs):
        raise typer.BadParameter("write COLUMN=VALUE", param_hint="--where")
    return {column.strip(): value.strip() for column, _, value in pairs}


def _examiner(config: Path | None, bundle: str, *, quiet: bool) -> "Examiner":
    from xray_triage.assessment.examiner import Examiner

    return Examiner.from_config(
        settings_or_defaults(config),
        bundle,
        watch=lambda answers, films: progress(answers, "reading films", quiet=quiet, total=films),
    )


def _write(accuracy: "Accuracy", answered: "Sequence[Prediction]", folder: Path) -> list[Path]:
    from xray_triage.assessment.pictures import draw
    from xray_triage.assessment.report import as_json, as_markdown

    folder.mkdir(parents=True, exist_ok=True)
    figures, table = folder / "figures.json", folder / "table.md"
    figures.write_text(json.dumps(as_json(accuracy), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    table.write_text(as_markdown(accuracy), encoding="utf-8")
    return [figures, table, *draw(accuracy, answered, folder)]


def _print_accuracy(accuracy: "Accuracy") -> None:
    from xray_triage.assessment.report import HEADINGS, heading, notes, rows

    out.print(heading(accuracy))
    parts = [(f"{part.by}: {part.value}", part.figures) for part in accuracy.parts]
    for title, figures in (("", accuracy.figures), *parts):
        table = Table(*HEADINGS, title=title or None, title_justify="left")
        for cells in rows(figures):
            table.add_row(*cells)
        out.print(table)
    for note in notes(accuracy):
        out.print(note, soft_wrap=True)


def _marks(label: str, examiner: "Examiner") -> dict[float, str]:
    bundle = next(each.threshold for each in examiner.manifest.labels if each.name == label)
    in_use = examiner.thresholds[label]
    return {bundle: "in use"} if bundle == in_use else {bundle: "bundle's", in_use: "in use"}


def _counted(judged: "Judged") -> list[str]:
    films, with_it = len(judged.truth), sum(judged.truth)
    left_out = "; ".join(f"{reason}: {count}" for reason, count in judged.left_out.items())
    return [
        f"{films} films of known truth, {with_it} with it, {films - with_it} without"
        + (f" (left out: {left_out})." if left_out else "."),
        "In brackets 95 % intervals (Wilson).",
    ]


def _consequences_table(lines: "Sequence[CutOff]", prevalence: float | None) -> Table:
    def share(value: float | None, interval: tuple[float, float] | None) -> str:
        return "–" if value is None or interval is None else f"{value:.0%} ({interval[0]:.0%}–{interval[1]:.0%})"

    def per_1000(counts: Mapping[str, float] | None) -> list[str]:
        return [f"{counts[name]:.0f}" if counts else "–" for name in ("referred", "missed", "false_alarms")]

    mix = "as many with it as here" if prevalence is None else f"{prevalence:.1%} of them with it"
    names = ("cut-off", "", "referred", "found", "missed", "false\nalarms", "sensitivity", "specificity")
    thousand = ("per 1,000\nreferred", "per 1,000\nmissed", "per 1,000\nfalse alarms", "right when\nreferred")
    table = Table(
        *(Column(name, justify="right") for name in (*names, *thousand)),
        caption=f"Counts are of the films of known truth; per 1,000 films, {mix}.",
        caption_justify="left",
    )
    for line in lines:
        right = "–" if line.right_when_referred is None else f"{line.right_when_referred:.0%}"
        table.add_row(
            f"{line.threshold:.4g}", line.mark,
            *(str(count) for count in (line.referred, line.found, line.missed, line.false_alarms)),
            share(line.sensitivity, line.sensitivity_interval), share(line.specificity, line.specificity_interval),
            *per_1000(line.per_1000), right,
            style="bold" if line.mark == "in use" else None,
        )  # fmt: skip
    return table
