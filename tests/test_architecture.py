"""The law of the house: imports point one way. A new room is given its line here before it lands."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("dicom_router", "xray_triage", "models")


def modules() -> Iterator[tuple[str, Path]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            if {"migrations", "node_modules"} & {*parts}:
                continue  # run by Alembic, imported by nobody; not ours
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


# The rooms, lowest first: a room imports rooms of lower lines only, never a neighbour on its own line.
LAW = """
errors clock child codestream files log console language
worker dicom reading
upper_layer store
scp transport
config results accounts hl7
tls cases rendering simulation.phantom
consultations orders model records
health stores
web reader
station assessment
simulation
cli
models
"""
LINE_OF = {room: number for number, line in enumerate(LAW.split("\n")) for room in line.split()}
MOST_MODULES, MOST_AT_THE_ROOT = 20, 6
MOST_ARROWS = 138  # 120 before the HIS came: a room brings some ten


def room_of(module: str) -> str | None:
    """The room of a module of ours: ``dicom_router.store.ledger`` is in ``store``. None: a package's own __init__."""
    package, *path = module.split(".")
    if package == "models":
        return package
    if package not in PACKAGES or not path:
        return None
    return "simulation.phantom" if path[:2] == ["simulation", "phantom"] else path[0]


def arrows() -> Iterator[tuple[str, str, str]]:
    """Every import of a module in another room: the module, its target, the target's room."""
    for module, targets in IMPORTS.items():
        for target in targets:
            room = room_of(target)
            if room in LINE_OF and room != room_of(module) is not None:
                yield module, target, room


def test_every_module_stands_in_a_room_of_the_law() -> None:
    assert {room_of(module) for module in IMPORTS} - {None} <= LINE_OF.keys()


def test_a_room_imports_only_the_rooms_below_it() -> None:
    assert not [
        f"{module} imports {target}"
        for module, target, room in arrows()
        if LINE_OF[room] >= LINE_OF[str(room_of(module))]
    ]


def test_the_router_knows_no_other_package() -> None:
    assert not offences("dicom_router", ("xray_triage", "models"))


def test_there_are_few_arrows_between_the_rooms() -> None:
    """Those to the lowest line, which everybody may use, are not counted."""
    lowest = min(LINE_OF.values())
    assert len({(room_of(module), room) for module, _, room in arrows() if LINE_OF[room] > lowest}) <= MOST_ARROWS


def test_no_folder_is_crowded() -> None:
    paths = [path for _, path in modules() if path.name != "__init__.py" and path.parts[-2] != "models"]
    folders = Counter(path.parent for path in paths)
    assert {folder: n for folder, n in folders.items() if n > MOST_MODULES} == {}
    assert folders[ROOT / "xray_triage"] <= MOST_AT_THE_ROOT


@pytest.mark.parametrize("name", IMPORTS)
def test_every_module_says_first_what_it_is(name: str) -> None:
    path = ROOT.joinpath(*name.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    first = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]
    assert first.endswith((".", "?")), f"{path} begins with no sentence"


FRAMEWORKS = ("fastapi", "uvicorn", "jinja2")


@pytest.mark.parametrize(
    ("inside", "forbidden"),
    [
        ("dicom_router", ("onnxruntime", "highdicom", "torch", *FRAMEWORKS)),
        ("xray_triage", ("torch", "torchvision", "highdicom")),
        *((package, ("pynetdicom.apps",)) for package in PACKAGES),
        *((f"dicom_router.{room}", ("pynetdicom",)) for room in ("dicom", "upper_layer", "store")),
        *((f"xray_triage.{room}", FRAMEWORKS) for room in sorted(LINE_OF) if room not in {"web", "station"}),
        *((f"xray_triage.{room}", ("sqlalchemy",)) for room in ("reading", "results", "assessment", "model")),
        *((f"xray_triage.{room}", ("pynetdicom",)) for room in ("reading", "results", "cases", "orders", "web")),
        ("xray_triage.accounts", ("pydicom",)),
    ],
)
def test_a_library_is_used_where_it_belongs(inside: str, forbidden: tuple[str, ...]) -> None:
    assert not offences(inside, forbidden)


def test_only_the_runtime_knows_onnxruntime() -> None:
    assert not offences("xray_triage", ("onnxruntime",), but=("xray_triage.reading.runtime",))


def test_the_front_decodes_no_pixel() -> None:
    rooms = ("web", "station", "cases", "consultations", "orders", "model", "health", "stores", "rendering.renderer")
    front = ("dicom_router", *(f"xray_triage.{room}" for room in rooms))
    decoders = ("numpy", "pydicom.pixels", "imagecodecs", "gdcm", "openjpeg", "jpeg_ls")
    children = ("dicom_router.transport.transcode", "xray_triage.rendering.process")  # in processes of their own
    loads = ("xray_triage.model.loading",)  # for the reader's process and the command line
    assert not [offence for room in front for offence in offences(room, decoders, but=(*children, *loads))]
    assert not [name for name in IMPORTS if name not in children and IMPORTS[name] & {*children}]


def test_the_workshop_uses_what_reads_and_what_measures_alone() -> None:
    allowed = ("config", "reading", "simulation.phantom", "model", "assessment")
    strangers = [
        f"{module} imports {target}"
        for module, targets in IMPORTS.items()
        if room_of(module) == "models"
        for target in targets
        if target.split(".")[0] in ("dicom_router", "xray_triage") and target != "xray_triage"
        if not any(is_in(target, f"xray_triage.{room}") for room in allowed)
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
    edge = {"dicom_router.clock", "xray_triage.simulation.demo", "xray_triage.simulation.films"}
    calls = ("datetime.now(", "time.time(", "time.sleep(", "time.monotonic(", "utcnow(")
    for module, path in modules():
        if module not in edge and not is_in(module, "models"):
            text = path.read_text(encoding="utf-8")
            assert not [call for call in calls if call in text], module
