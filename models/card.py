"""MODEL_CARD.md out of a manifest and evaluation.json: every figure in it was measured, none is typed by hand."""

from collections.abc import Mapping
from pathlib import Path

from models import confounding, robustness
from models.recipes import RECIPES, Recipe
from models.worth import NAMED_AUC, NAMED_PRECISION
from xray_triage.model import limits
from xray_triage.model.site import STATION_MIX
from xray_triage.model.worth import lines
from xray_triage.reading.bundle import Label, Manifest
from xray_triage.reading.findings import ABNORMAL
from xray_triage.reading.naming import ALWAYS_NAMED, group_of

TEMPLATE = Path(__file__).with_name("card.template.md")
FAILURES = Path(__file__).with_name("failures.md")  # what a person saw on the worst films, in words
QUANTISED = """`python -m models.quantise` makes an int8 bundle of this one; it is not shipped. On {films} calibration
films a probability differs by {mean_difference:.3f} in the mean and {largest_difference:.2f} at most; the gate decides
otherwise on {gate_differs}. Mean AUC over all labels, the best of 40 runs."""
NOT_MEASURED = "Not measured."
NORMALISED = """Before a film is read, its bands of detail are brought to the training films' energies within the lungs
(Philipsen et al., IEEE TMI 2015)."""
NOT_NORMALISED = "Films are read as they come, stretched to their own percentiles."


def write(manifest: Manifest, measured: Mapping) -> str:
    labels, chexnet = measured["labels"], measured["chexnet"]
    told = measured.get("confounding")
    return TEMPLATE.read_text(encoding="utf-8").format(
        name=manifest.name,
        version=manifest.version,
        licence=manifest.licence,
        worth="\n".join(f"* {line}" for line in (*lines(manifest), *limits.told(manifest).values())),
        share=STATION_MIX[ABNORMAL],
        named_auc=NAMED_AUC,
        named_precision=NAMED_PRECISION,
        always=", ".join(ALWAYS_NAMED),
        stations="\n".join(station_row(label) for label in manifest.labels if label.at_station) or NOT_MEASURED,
        members=members(manifest.training.get("recipes", [])),
        side=manifest.input.size,
        cells=-(-manifest.input.size // 32),
        n_labels=len(manifest.labels),
        megabytes=measured["megabytes"],
        splits="\n".join(row(name, *counts.values()) for name, counts in measured["splits"].items()),
        recipes="\n".join(recipe_row(name, found) for name, found in measured.get("recipes", {}).items()),
        labels="\n".join(label_row(name, found) for name, found in labels.items()),
        withheld="\n".join(f"* {name}: {found['withheld']}." for name, found in labels.items() if found["withheld"]),
        n_same=chexnet["films"],
        n_mean=chexnet["labels_in_mean"],
        chexnet=chexnet_rows(chexnet),
        parts="\n".join(part_row(part) for part in measured["parts"]),
        ratio=ratio_text(measured),
        confounding=confounding.rows(told) if told else NOT_MEASURED,
        tb_above=told["nih"]["above"] if told else float("nan"),
        **{f"boxes_{name}": number for name, number in measured["pointing"].items()},
        quantised=quantised_text(measured.get("quantised")),
        gate=gate_rows(measured["gate"]),
        normalised=NORMALISED if manifest.outlines else NOT_NORMALISED,
        robustness="\n".join(robustness.rows(measured["robustness"])) if "robustness" in measured else NOT_MEASURED,
        dicom="\n".join(dicom_row(found) for found in measured["dicom"]),
        failures=FAILURES.read_text(encoding="utf-8").strip(),
        **measured["milliseconds"],
        **{f"{what}_{who}": share for who, said in measured["alarms"].items() for what, share in said.items()},
    )


def row(*cells: object) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def members(recipes: list[str]) -> str:
    named = [f"{RECIPES[name].backbone} (recipe `{name}`, {RECIPES[name].side} px)" for name in recipes]
    return " and ".join(named)


def recipe_row(name: str, found: Mapping) -> str:
    together = name.split("+")
    what = "the mean of these" if len(together) > 1 else recipe_text(RECIPES[name], found["epochs"])
    figures = (f"{found[part]:.3f}" for part in ("calibration", "test", "same_films"))
    return row(f"`{name}`", what, *figures, found["minutes"])


def recipe_text(recipe: Recipe, epochs: int) -> str:
    said = [f"{recipe.backbone}, {recipe.side} px, {epochs:g} epochs"]
    if epochs < recipe.epochs:
        said.append("then given up")
    if recipe.start in RECIPES:
        said.append(f"going on from `{recipe.start}`")
    if recipe.start == "self-supervised":
        said.append("self-supervised on all training films first")
    if recipe.teacher:
        said.append("published answers as soft labels")
    if recipe.pasted:
        said.append(f"{recipe.pasted} pasted lesions an epoch")
    if recipe.steady:
        said.append("films normalised, each shown as it is and in a look by chance")
    return ", ".join(said)


def label_row(name: str, found: Mapping) -> str:
    def with_interval(figure: str) -> str:
        low, high = found[f"{figure}_interval"]
        return f"{found[figure]:.2f} ({low:.2f}–{high:.2f})"

    return row(
        name,
        f"{found['positives']} / {found['films']}",
        with_interval("auc"),
        f"{found['threshold']:.3f}",
        with_interval("sensitivity"),
        with_interval("specificity"),
        f"{found['calibration_error']:.3f}",
        "no" if found["withheld"] else "yes",
    )


def station_row(label: Label) -> str:
    """One label on a station's films."""
    found = label.at_station
    assert found is not None
    shares = ("–" if share is None else f"{share:.2f}" for share in (found.auc, found.sensitivity, found.precision))
    told = "withheld" if label.withheld else group_of(label.name, shown=label.shown is True) or "its name"
    told = "orders the list" if label.name == ABNORMAL else told
    return row(label.name, f"{found.positives} / {found.films}", *shares, told)


def chexnet_rows(found: Mapping) -> str:
    rows = [row(name, n["positives"], f"{n['ours']:.3f}", f"{n['chexnet']:.3f}") for name, n in found["labels"].items()]
    mean = found["mean"]
    return "\n".join([*rows, row("**mean**", "", f"**{mean['ours']:.3f}**", f"**{mean['chexnet']:.3f}**")])


def part_row(part: Mapping) -> str:
    found = ", ".join(f"{each['label']} {each['auc']:.2f} (n {each['films']})" for each in part["figures"])
    return row(f"{part['by']}: {part['value']}", found)


def ratio_text(measured: Mapping) -> str:
    found, thorax = measured["cardiothoracic"], measured.get("thorax")
    if found is None:
        return NOT_MEASURED
    error = f"{found['mean_absolute_error']:.3f} on {found['films']} test films"
    text = f"Mean absolute error {error}, whose outlines a person had drawn."
    if thorax:
        dice = (f"{organ} {thorax['test'][f'dice_{organ}']:.2f}" for organ in ("left", "right", "heart"))
        text += f" Dice of the outlines there: {', '.join(dice)} (lungs by the picture's side)."
    return text


def quantised_text(found: Mapping | None) -> str:
    if found is None:
        return NOT_MEASURED
    known = [row for row in found["labels"].values() if row["auc_float"] is not None]

    def told(which: str) -> str:
        area, times = sum(row[f"auc_{which}"] for row in known) / len(known), found["milliseconds"][which]
        size = found["bytes"][which] / 1e6
        return row(which, f"{size:.1f}", f"{area:.3f}", times["1"], times["2"])

    text = QUANTISED.format(**found)
    heads = row("variant", "MB", "mean AUC", "ms, 1 thread", "ms, 2 threads")
    return "\n".join([text, "", heads, row(*["---"] * 5), told("float"), told("int8")])


def dicom_row(found: Mapping) -> str:
    return row(found["file"], found["truth"], found["header"] or "reads on", found["gate"], found["frontal"])


def gate_rows(found: Mapping) -> str:
    names = {
        "adult_frontal": "adults, frontal (should pass)",
        "children": "children",
        "lateral": "lateral",
        "turned": "adults' films turned by 90, 180, 270 degrees",
        "drawn": "drawn limbs, teeth, pages, photographs, torn-up films",
        "photographs": "photographs and test pictures of scikit-image (none trained on)",
    }
    rows = [row(text, f"{found[key]['refused']} of {found[key]['films']}") for key, text in names.items()]
    sources = found["adult_frontal_by_source"].items()
    return "\n".join(
        [*rows, *(row(f"of the adults: {name}", f"{n['refused']} of {n['films']}") for name, n in sources)]
    )
