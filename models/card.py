"""MODEL_CARD.md out of a manifest and evaluation.json: every figure in it was measured, none is typed by hand."""

from collections.abc import Mapping
from pathlib import Path

from models import confounding, data, robustness
from models.calibrate import SCREENED, SPECIFICITY, SPECIFICITY_URGENT
from models.recipes import RECIPES, Recipe, chain
from models.worth import NAMED_AUC, NAMED_PRECISION
from xray_triage.model import limits
from xray_triage.model.site import STATION_MIX
from xray_triage.model.worth import lines
from xray_triage.reading.bundle import Label, Manifest
from xray_triage.reading.findings import ABNORMAL
from xray_triage.reading.naming import ALWAYS_NAMED, group_of

TEMPLATE = Path(__file__).with_name("card.template.md")
FAILURES = Path(__file__).with_name("failures.md")  # what a person saw on the worst films, in words
NOT_MEASURED = "Not measured."
NORMALISED = """Before a film is read, its bands of detail are brought to the training films' energies within the lungs
(Philipsen et al., IEEE TMI 2015)."""
NOT_NORMALISED = "Films are read as they come, stretched to their own percentiles."


def write(manifest: Manifest, measured: Mapping) -> str:
    labels, chexnet = measured["labels"], measured["chexnet"]
    told = measured.get("confounding")
    names = manifest.training["recipes"]
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
        members=members(names),
        side=manifest.input.size,
        cells=max(RECIPES[name].sides[-1] for name in names) // 32,
        n_labels=len(manifest.labels),
        megabytes=measured["megabytes"],
        films="\n".join(row(name, *counts.values()) for name, counts in measured["films"].items()),
        folds=data.FOLDS,
        specificity_urgent=SPECIFICITY_URGENT,
        specificity=SPECIFICITY,
        **{f"sensitivity_{name}": least for name, least in SCREENED.items()},
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
    named = [f"{data.FOLDS} of MobileNetV2 (recipe `{name}`, {RECIPES[name].sides[-1]} px)" for name in recipes]
    return " and ".join(named)


def recipe_row(name: str, found: Mapping) -> str:
    what = "the mean of these" if "+" in name else ", then ".join(recipe_text(RECIPES[each]) for each in chain(name))
    return row(f"`{name}`", what, f"{found['auc']:.3f}", f"{found['same_films']:.3f}", found["minutes"])


def recipe_text(recipe: Recipe) -> str:
    stages = ", ".join(f"{epochs} epochs at {side} px" for side, epochs in recipe.stages)
    return f"{stages}{', each film in two looks, half of the way to one answer' if recipe.held else ''}"


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
    error = f"{found['mean_absolute_error']:.3f} on {found['films']} films"
    text = f"Mean absolute error {error}, whose outlines a person had drawn."
    if thorax:
        dice = (f"{organ} {thorax[f'dice_{organ}']:.2f}" for organ in ("left", "right", "heart"))
        text += f" Dice of the outlines there: {', '.join(dice)} (lungs by the picture's side)."
    return text


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
