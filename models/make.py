"""Everything from films to bundle, step by step: ``python -m models.make``.

Each step is a script of its own and leaves its files in ``work``. The outlines and the networks, which take hours, are
passed over where they are there, so that a cut run goes on where it was. To start anew, remove the folder.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from models import data
from models.recipes import RECIPES, fold

BUNDLE = Path("xray_triage/model/bundles/station-5")


def main() -> None:
    """Read the command line and do all steps."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--films", type=Path, default=Path("../shared/data/cxr"))
    parser.add_argument("--threads", default="2")
    options = parser.parse_args()
    films, threads = ("--films", str(options.films)), ("--threads", options.threads)
    run("segment", *films, *threads, unless=Path("work/thorax.pt"))
    for recipe in RECIPES:
        run("train", recipe, *films, *threads)
    run("calibrate", *films, *threads)
    run("export", "--bundle", str(BUNDLE))
    for which in map(fold, range(data.FOLDS)):
        run("export", "--of", which, "--bundle", f"work/bundles/{which}")
    run("confounding", *films)
    run("evaluate", *films, "--bundle", str(BUNDLE))


def run(step: str, *arguments: str, unless: Path | None = None) -> None:
    """One script, in a process of its own; an error ends all."""
    if unless is not None and unless.exists():
        return
    command = [sys.executable, "-m", f"models.{step}", *arguments]
    print("$ python", *command[1:], flush=True)
    if subprocess.run(command, check=False).returncode:
        sys.exit(f"{step} failed; mend what it says and run this again: it goes on from there")


if __name__ == "__main__":
    main()
