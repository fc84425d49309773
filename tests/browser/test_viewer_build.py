"""The viewer's files in static/ are committed as built: they are what the source gives, on any machine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
VIEWER = REPOSITORY / "xray_triage/web/viewer"
STATIC = REPOSITORY / "xray_triage/web/static"


@pytest.fixture(scope="module")
def packages() -> None:
    """The npm packages of package-lock.json, fetched when they are not there."""
    kept = VIEWER / "node_modules/.package-lock.json"
    if not kept.is_file() or kept.stat().st_mtime < (VIEWER / "package-lock.json").stat().st_mtime:
        npm("ci", "--no-audit", "--no-fund")
        kept.touch()


def npm(*words: str, **environment: str) -> None:
    done = subprocess.run(
        [REPOSITORY / "tools/with-node", sys.prefix, "npm", *words],
        cwd=VIEWER,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def built(packages: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the viewer was built just now."""
    folder = tmp_path_factory.mktemp("static")
    npm("run", "build", STATIC=str(folder))
    return folder


@pytest.mark.parametrize("folder", ["viewer", "vendor"])
def test_the_committed_files_are_what_the_source_gives(folder: str, built: Path) -> None:
    made, kept = files_in(built / folder), files_in(STATIC / folder)
    assert sorted(made) == sorted(kept)
    assert [name for name in made if made[name] != kept[name]] == [], "run make viewer and commit static/"


@pytest.mark.usefixtures("packages")
def test_the_sources_types_are_sound() -> None:
    npm("run", "typecheck")
