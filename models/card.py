"""MODEL_CARD.md out of a manifest and evaluation.json: every figure in it was measured, none is typed by hand."""

from pathlib import Path

from xray_triage.reading.bundle import Manifest

TEMPLATE = Path(__file__).with_name("card.template.md")


def write(manifest: Manifest, measured: dict) -> str:
    labels, chexnet = measured["labels"], measured["chexnet"]
    sources = measured["abnormal_by_source"]
    return TEMPLATE.read_text(encoding="utf-8").format(
        name=manifest.name,
        version=manifest.version,
        size=manifest.input.size,
        cells=-(-manifest.input.size // 32),
        epochs=len(measured["training"]),
        laterals=measured["laterals_trained"],
        splits="\n".join(row(name, *counts.values()) for name, counts in measured["splits"].items()),
        labels="\n".join(label_row(name, found) for name, found in labels.items()),
        withheld="\n".join(f"* {name}: {found['withheld']}." for name, found in labels.items() if found["withheld"]),
        by_source=", ".join(f"{name} {found['auc']:.3f} ({found['films']} films)" for name, found in sources.items()),
        n_same=chexnet["films"],
        chexnet=chexnet_rows(chexnet),
        gate=gate_rows(measured["gate"]),
        dicom="\n".join(dicom_row(found) for found in measured["dicom"]),
        **measured["milliseconds"],
        **measured["alarms"],
    )


def dicom_row(found: dict) -> str:
    return row(found["file"], found["truth"], found["header"] or "reads on", found["gate"], found["frontal"])


def row(*cells: object) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def label_row(name: str, found: dict) -> str:
    def with_interval(figure: str) -> str:
        low, high = found[f"{figure}_interval"]
        return f"{found[figure]:.2f} ({low:.2f}–{high:.2f})"

    return row(
        f"{name} ({found['origin']})",
        f"{found['positives']} / {found['films']}",
        with_interval("auc"),
        f"{found['threshold']:.3f}",
        with_interval("sensitivity"),
        with_interval("specificity"),
        f"{found['calibration_error']:.2f}",
        "no" if found["withheld"] else "yes",
    )


def chexnet_rows(found: dict) -> str:
    if not found["labels"]:
        return ""
    rows = [row(name, n["positives"], f"{n['ours']:.3f}", f"{n['chexnet']:.3f}") for name, n in found["labels"].items()]
    mean = found["mean"]
    return "\n".join([*rows, row("**mean**", "", f"**{mean['ours']:.3f}**", f"**{mean['chexnet']:.3f}**")])


def gate_rows(found: dict) -> str:
    names = {
        "adult_frontal": "adults, frontal (should pass)",
        "children": "children",
        "lateral": "lateral",
        "turned": "adults' films turned by 90, 180, 270 degrees",
        "drawn": "drawn limbs, teeth, pages, photographs, torn-up films",
    }
    rows = [row(text, f"{found[key]['refused']} of {found[key]['films']}") for key, text in names.items()]
    sources = found["adult_frontal_by_source"].items()
    return "\n".join(
        [*rows, *(row(f"of the adults: {name}", f"{n['refused']} of {n['films']}") for name, n in sources)]
    )
