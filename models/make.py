"""Everything from films to bundle, step by step: ``python -m models.make``.

Each step is a script of its own and leaves its files in ``work``; one whose files are there is passed over, so that a
cut run goes on where it was. To start anew, remove the folder.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from models.recipes import RECIPES, SHIPPED

BUNDLE = Path("xray_triage/model/bundles/station-3")


def main() -> None:
    """Read the command line and do all steps."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument(
        "--all", action="store_true", help="train every recipe of the card's table, not the shipped ones"
    )
    parser.add_argument("--films", type=Path, default=Path("../shared/data/cxr"))
    parser.add_argument("--threads", default="2")
    options = parser.parse_args()
    films, threads = ("--films", str(options.films)), ("--threads", options.threads)
    recipes = list(RECIPES) if options.all else needed(SHIPPED)
    run("segment", *films, *threads, unless=Path("work/thorax.pt"))
    for recipe in recipes:
        if RECIPES[recipe].start == "self-supervised":
            run("pretrain", *films, *threads, unless=Path(f"work/pretrained-{RECIPES[recipe].backbone}.pt"))
        run("train", recipe, *films, *threads)
    run("compare", "+".join(SHIPPED), *films, *threads)
    run("calibrate", *films, *threads)
    run("export", "--bundle", str(BUNDLE))
    run("confounding", *films, "--bundle", str(BUNDLE))
    run("quantise", *films, "--bundle", str(BUNDLE), "--to", "work/int8")
    run("evaluate", *films, "--bundle", str(BUNDLE))


def needed(recipes: Sequence[str]) -> list[str]:
    """These recipes, and before them those from whose ends they go on."""
    earlier = [each for name in recipes for each in (RECIPES[name].start, RECIPES[name].blend) if each in RECIPES]
    return list(dict.fromkeys([*(needed(earlier) if earlier else []), *recipes]))


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
