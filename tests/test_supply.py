"""What is installed: every package that the project asks for is locked, with a version that fits and with hashes."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
PYTHONS = ("3.11", "3.12", "3.13")
PROCESSORS = ("x86_64", "aarch64")

EXTRAS = PROJECT["project"]["optional-dependencies"]
GROUPS = PROJECT["dependency-groups"]
ASKED = {
    "build": GROUPS["build"],
    "node": GROUPS["node"],
    "tools": GROUPS["tools"],
    "station": PROJECT["project"]["dependencies"],
    "sign": PROJECT["project"]["dependencies"] + EXTRAS["sign"],
    "test": PROJECT["project"]["dependencies"] + EXTRAS["sign"] + EXTRAS["test"],
    "train": PROJECT["project"]["dependencies"] + EXTRAS["sign"] + EXTRAS["test"] + EXTRAS["train"],
}

every_lock = pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.stem)


def entries(path: Path) -> list[tuple[Requirement, list[str]]]:
    """Each package of a lock, with its hashes."""
    lines = path.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    parts = [line.split("--hash=") for line in lines if line.strip()]
    return [(Requirement(requirement.strip()), hashes) for requirement, *hashes in parts]


def pins(path: Path, *, python: str = "3.11", processor: str = "x86_64") -> dict[str, str]:
    """The version of each package that is installed there."""
    linux = {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "platform_machine": processor,
        "sys_platform": "linux",
        "platform_system": "Linux",
    }
    there = [each for each, _ in entries(path) if each.marker is None or each.marker.evaluate(linux)]
    return {canonicalize_name(each.name): str(each.specifier).removeprefix("==") for each in there}


def test_there_is_a_lock_for_every_set_of_packages() -> None:
    assert {path.stem for path in LOCKS} == ASKED.keys()


@every_lock
def test_every_package_has_one_version_and_the_hashes_of_its_files(path: Path) -> None:
    for requirement, hashes in entries(path):
        assert re.fullmatch(r"==[^*,]+", str(requirement.specifier)), requirement
        assert hashes, requirement
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}\s*", each) for each in hashes), requirement


@every_lock
@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("processor", PROCESSORS)
def test_what_the_project_asks_for_is_locked_in_a_version_that_fits(path: Path, python: str, processor: str) -> None:
    locked = pins(path, python=python, processor=processor)
    for asked in map(Requirement, ASKED[path.stem]):
        assert asked.specifier.contains(locked[canonicalize_name(asked.name)]), asked


def test_no_two_locks_name_different_versions() -> None:
    everything = {pin for path in LOCKS for pin in pins(path).items()}
    assert len(everything) == len(dict(everything))


@every_lock
def test_a_lock_names_no_host(path: Path) -> None:
    assert "://" not in path.read_text(encoding="utf-8")
    assert "--index" not in path.read_text(encoding="utf-8")


def test_what_builds_the_package_is_locked_too() -> None:
    locked = pins(ROOT / "requirements" / "build.txt")
    for asked in map(Requirement, PROJECT["build-system"]["requires"]):
        assert asked.specifier.contains(locked[canonicalize_name(asked.name)]), asked


def test_hooks_before_a_commit_fetch_nothing() -> None:
    text = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    assert re.findall(r"repo: (\S+)", text) == ["local"]
    assert set(re.findall(r"language: (\S+)", text)) == {"system"}
