"""Verbs about model bundles: model list, show, verify, activate, import; evaluate, threshold, site hang beside them."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from xray_triage.cli import assessment_verbs, site_verbs
from xray_triage.cli.options import AsJson, ConfigPath, settings_or_defaults
from xray_triage.console import out, print_json, steps

if TYPE_CHECKING:
    from xray_triage.reading.bundle import Label

app = typer.Typer(help="The model bundles that read films.", no_args_is_help=True)
assessment_verbs.add_to(app)
site_verbs.add_to(app)


@app.command("list")
def list_bundles(as_json: AsJson = False, config: ConfigPath = None) -> None:
    """List the bundles at hand. * is in use, - was in use before it."""
    from xray_triage.model.selection import bundle_folders, chosen_folder, folder_before
    from xray_triage.reading.bundle import BundleError, load_bundle

    settings = settings_or_defaults(config)
    chosen, before = chosen_folder(settings), folder_before(settings)
    for folder in bundle_folders(settings):
        row: dict[str, object] = {"folder": str(folder), "in_use": folder == chosen, "previous": folder == before}
        try:
            identity = load_bundle(folder).identity
            row |= {"name": identity.name, "version": identity.version, "sha256": identity.sha256}
        except BundleError as error:
            row["problem"] = str(error)
        if as_json:
            print_json(row)
        else:
            what = row.get("problem") or f"{row['name']} {row['version']}"
            mark = "*" if folder == chosen else "-" if folder == before else " "
            out.print(f"{mark} {folder.name:20} {what}", soft_wrap=True)


@app.command()
def verify(name: Annotated[str, typer.Argument(metavar="[NAME]")] = "", config: ConfigPath = None) -> None:
    """Check a bundle (default: the one in use): hashes, then its golden film through the network."""
    from xray_triage.model.loading import prove_bundle
    from xray_triage.model.selection import chosen_folder, find_folder

    settings = settings_or_defaults(config)
    folder = find_folder(settings, name) if name else chosen_folder(settings)
    classifier = prove_bundle(settings, folder)
    identity, runtime = classifier.identity, classifier.runtime
    out.print(f"{identity.name} {identity.version}: hashes and golden film are right ({runtime})", soft_wrap=True)


@app.command()
def activate(
    name: Annotated[
        str, typer.Argument(metavar="[NAME]", help="A bundle's name, or its folder.", show_default=False)
    ] = "",
    previous: Annotated[bool, typer.Option("--previous", help="Go back to the bundle that was in use before.")] = False,
    config: ConfigPath = None,
) -> None:
    """Verify a bundle, then make it the one that reads, from the next start of the station on.

    A bundle that is not right is never activated. The choice changes in one
    step: after a power cut it is the old one or the new one. --previous goes
    back, and again forward.
    """
    from xray_triage.config.loading import load_config
    from xray_triage.model.loading import prove_bundle
    from xray_triage.model.selection import choose, find_folder, folder_before
    from xray_triage.reading.bundle import BundleError
    from xray_triage.station.lock import StationError

    if bool(name) == previous:
        raise typer.BadParameter("name a bundle, or go back with --previous", param_hint="NAME")
    settings = load_config(config)
    if settings.model.bundle:
        raise StationError("[model] bundle in station.toml names one already; empty it to choose by `model activate`")
    folder = folder_before(settings) if previous else find_folder(settings, name)
    if folder is None:
        raise BundleError("no bundle was in use before this one; name one of: xray-triage model list")
    identity = prove_bundle(settings, folder).identity
    choose(settings, folder)
    out.print(f"{identity.name} {identity.version} reads from the next start on: restart the station")


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="[NAME]")] = "", as_json: AsJson = False, config: ConfigPath = None
) -> None:
    """Tell what a bundle (default: the one in use) is worth at a station, where it comes from, and what it lacks."""
    from xray_triage.model.limits import told
    from xray_triage.model.selection import chosen_folder, find_folder
    from xray_triage.model.worth import lines
    from xray_triage.reading.bundle import load_bundle

    settings = settings_or_defaults(config)
    manifest = load_bundle(find_folder(settings, name) if name else chosen_folder(settings)).manifest
    lacks = told(manifest)
    if as_json:
        labels = [label.model_dump(mode="json", exclude={"reference"}) for label in manifest.labels]
        identity = manifest.model_dump(mode="json", include={"name", "version", "licence", "training"})
        said = {"proven": manifest.proven, "worth": lines(manifest), "labels": labels, "lacks": lacks}
        print_json(identity | said)
        return
    out.print(f"{manifest.name} {manifest.version}, licence: {manifest.licence}", soft_wrap=True)
    for what, words in manifest.training.get("origin", {}).items():
        out.print(f"{what}: {words}", soft_wrap=True)
    for line in lines(manifest):
        out.print(f"* {line}", markup=False, soft_wrap=True)
    out.print(_labels_table(manifest.labels))
    for sentence in lacks.values():
        out.print(f"! {sentence}", markup=False, soft_wrap=True)


def _labels_table(labels: "Sequence[Label]") -> Table:
    def figure(value: float | None) -> str:
        return "–" if value is None else f"{value:.2f}"

    table = Table("label", "cut-off", "AUC", "sensitivity", "specificity", "shown")
    for label in labels:
        figures = (figure(each) for each in (label.auc, label.sensitivity, label.specificity))
        table.add_row(
            label.name, f"{label.threshold:.3f}", *figures, f"no: {label.withheld}" if label.withheld else "yes"
        )
    return table


@app.command("import")
def import_checkpoint(
    checkpoint: Annotated[
        Path,
        typer.Argument(
            metavar="CHECKPOINT",
            help="A .pt, .pth or .safetensors file.",
            exists=True,
            dir_okay=False,
            show_default=False,
        ),
    ],
    name: Annotated[
        str, typer.Option("--name", help="What the bundle is to be called; default: as the file.", show_default=False)
    ] = "",
    labels: Annotated[
        Path | None,
        typer.Option(
            "--labels",
            metavar="LABELS.csv",
            help="What is known of films, as for `evaluate`: the bundle is calibrated and measured on them.",
            exists=True,
            dir_okay=False,
            show_default=False,
        ),
    ] = None,
    films: assessment_verbs.Films = None,
    where: assessment_verbs.Where = None,
    ignore: assessment_verbs.Ignore = None,
    arch: Annotated[
        str, typer.Option(help="densenet121 or resnet50; default: as the checkpoint's names say.", show_default=False)
    ] = "",
    size: Annotated[
        int,
        typer.Option(
            help="Pixels of its square input; default: 224 for DenseNet121, 512 for ResNet50.", show_default=False
        ),
    ] = 0,
    outputs: Annotated[
        str,
        typer.Option(
            help="TorchXRayVision's label names in the order of the outputs, comma between.", show_default=False
        ),
    ] = "",
    weights: Annotated[
        str,
        typer.Option(help="The release it is, e.g. densenet121-res224-all; else by its file name.", show_default=False),
    ] = "",
    licence: Annotated[
        str, typer.Option(help="Licence of the weights; default: that of the release, or unknown.", show_default=False)
    ] = "",
    to: Annotated[
        Path | None, typer.Option("--to", help="Where the bundle goes; default: bundles/ in the data folder.")
    ] = None,
    config: ConfigPath = None,
) -> None:
    """Turn a TorchXRayVision DenseNet121 or ResNet50 checkpoint into a bundle. Nothing in the file is executed.

    Takes released files (whole pickled models), plain state dicts and
    safetensors. PyTorch and ONNX must agree to 1e-4 on it. The bundle that
    ships lends it input gate, outlines and cardiothoracic ratio. With films of
    your own (--labels, --films; at least 15 abnormal ones and 15 without a
    finding) it also gets calibrated probabilities, cut-offs, a score
    `abnormal` and figures on its card; without, no film is ever cleared by it.
    Needs the workshop with torch: a checkout of the source. At a station
    without it, make the bundle elsewhere with --to and copy the folder.
    """
    from xray_triage.model.importing import import_checkpoint as run_import
    from xray_triage.model.selection import own_folder

    name = name or re.sub(r"[^A-Za-z0-9._-]+", "-", checkpoint.stem).lstrip("._-")[:64]
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        raise typer.BadParameter("letters, digits, . _ - only, 64 at most", param_hint="--name")
    if arch not in ("", "densenet121", "resnet50"):
        raise typer.BadParameter("densenet121 or resnet50", param_hint="--arch")
    if labels is None and (films or where or ignore):
        raise typer.BadParameter("needs --labels, which says what is on the films", param_hint="--films")
    assessment_verbs.conditions(where)
    folder = to or own_folder(settings_or_defaults(config))
    values = {
        "--arch": arch,
        "--size": str(size or ""),
        "--outputs": outputs,
        "--weights": weights,
        "--licence": licence,
    }
    values |= {"--labels": str(labels.absolute()) if labels else "", "--films": str(films.absolute()) if films else ""}
    words = [word for option, value in values.items() if value for word in (option, value)]
    words += [
        word
        for option, texts in (("--where", where), ("--ignore", ignore))
        for text in texts or ()
        for word in (option, text)
    ]
    with steps("importing") as watch:
        said = run_import(checkpoint, folder / name, words, watch)
    out.print(said, soft_wrap=True)
    out.print(
        f"Read {folder / name / 'MODEL_CARD.md'}; then: xray-triage model activate {folder / name if to else name}",
        soft_wrap=True,
    )
