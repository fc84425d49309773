"""The law of the layers: imports point one way. A new module is placed in a layer here before it lands."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("dicom_router", "xray_triage", "models")


def modules() -> Iterator[tuple[str, Path]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            if "migrations" in parts:
                continue  # run by Alembic, imported by nobody
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def imports(path: Path) -> set[str]:
    """Every module that ``path`` names in an import, wherever it stands."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module or "")
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


IMPORTS = {name: imports(path) for name, path in modules()}


def is_in(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(prefix + ".")


def offences(inside: str, forbidden: tuple[str, ...], *, but: tuple[str, ...] = ()) -> list[str]:
    return [
        f"{module} imports {target}"
        for module, targets in IMPORTS.items()
        if is_in(module, inside) and module not in but
        for target in targets
        if any(is_in(target, prefix) for prefix in forbidden)
    ]


def rooms(*names: str) -> tuple[str, ...]:
    return tuple(f"xray_triage.{name}" for name in names)


FRAMEWORKS = ("fastapi", "pynetdicom")


@pytest.mark.parametrize(
    ("inside", "forbidden"),
    [
        ("dicom_router", ("xray_triage", "models", "onnxruntime", "highdicom", "fastapi", "torch")),
        ("xray_triage", ("models", "torch", "torchvision")),
        ("xray_triage.reading", (*FRAMEWORKS, "dicom_router", "sqlalchemy", "highdicom")),
        ("xray_triage.reading", rooms("results", "cases", "web", "reader", "rooms", "station", "config")),
        ("xray_triage.results", (*FRAMEWORKS, "sqlalchemy", "onnxruntime")),
        ("xray_triage.results", rooms("cases", "web", "reader", "rooms", "station", "config")),
        ("xray_triage.cases", (*FRAMEWORKS, "onnxruntime", *rooms("web", "reader", "rooms", "station", "cli"))),
        ("xray_triage.orders", (*FRAMEWORKS, "onnxruntime", "numpy")),
        ("xray_triage.orders", rooms("reading", "results", "web", "reader", "rooms", "station", "config", "cli")),
        ("xray_triage.accounts", (*FRAMEWORKS, "pydicom")),
        ("xray_triage.accounts", rooms("reading", "results", "cases", "orders", "web", "rooms", "config", "cli")),
        ("xray_triage.assessment", (*FRAMEWORKS, "sqlalchemy", "onnxruntime", "dicom_router")),
        ("xray_triage.assessment", rooms("results", "web", "reader", "rooms", "station", "config", "cli")),
        (
            "xray_triage.watch",
            (*FRAMEWORKS, "sqlalchemy", *rooms("web", "reader", "rooms", "station", "config", "cli")),
        ),
        ("xray_triage.web", ("pynetdicom", "onnxruntime", "numpy")),
        ("xray_triage.web", rooms("reader", "rooms", "station", "cli", "reading.radiograph")),
        ("xray_triage.reader", ("fastapi", *rooms("web", "station", "cli"))),
        ("xray_triage.reader_process", ("fastapi", *rooms("web", "station", "cli"))),
        ("xray_triage.station", ("onnxruntime", *rooms("cli"))),
        ("xray_triage.phantom", ("dicom_router", "sqlalchemy", *rooms("reading.onnx_classifier"))),
    ],
)
def test_a_room_knows_only_the_rooms_below_it(inside: str, forbidden: tuple[str, ...]) -> None:
    assert not offences(inside, forbidden)


def test_only_the_runtime_knows_onnxruntime() -> None:
    assert not offences("xray_triage", ("onnxruntime",), but=("xray_triage.reading.runtime",))


def test_the_front_decodes_no_pixel() -> None:
    front = (
        "dicom_router",
        "xray_triage.web",
        "xray_triage.station",
        "xray_triage.post",
        "xray_triage.cases",
        "xray_triage.watch",
        "xray_triage.darkroom",
    )
    decoders = ("numpy", "pydicom.pixels", "imagecodecs", "gdcm", "openjpeg", "jpeg_ls")
    children = ("dicom_router.transcode", "xray_triage.darkroom_process")  # run in processes of their own
    assert not [offence for room in front for offence in offences(room, decoders, but=children)]
    assert not [name for name in IMPORTS if name not in children and IMPORTS[name] & {*children}]


def test_the_workshop_uses_what_reads_and_what_measures_alone() -> None:
    allowed = ("xray_triage.reading", "xray_triage.phantom", "xray_triage.assessment")
    allowed = (*allowed, "xray_triage.examiner", "xray_triage.config")  # so that it measures as the station does
    strangers = [
        f"{module} imports {target}"
        for module, targets in IMPORTS.items()
        if is_in(module, "models")
        for target in targets
        if is_in(target, "xray_triage") or is_in(target, "dicom_router")
        if not any(is_in(target, prefix) for prefix in allowed)
        if target != "xray_triage"
    ]
    assert not strangers


def test_no_module_imports_itself_in_a_circle() -> None:
    ours = {module: {t for t in targets if t in IMPORTS and t != module} for module, targets in IMPORTS.items()}
    ours = {m: {t for t in targets if not is_in(m, t)} for m, targets in ours.items()}  # a package of its modules
    while ours:
        free = {module for module, targets in ours.items() if not targets & ours.keys()}
        assert free, f"a circle among {sorted(ours)}"
        ours = {module: targets for module, targets in ours.items() if module not in free}


def test_time_is_an_argument() -> None:
    """Only clock.py reads the clock; the programs at the edge that watch others (demo) may wait."""
    edge = {"dicom_router.clock", "xray_triage.demo", "xray_triage.demo_films"}
    calls = ("datetime.now(", "time.time(", "time.sleep(", "time.monotonic(", "utcnow(")
    for module, path in modules():
        if module not in edge and not is_in(module, "models"):
            text = path.read_text(encoding="utf-8")
            assert not [call for call in calls if call in text], module
