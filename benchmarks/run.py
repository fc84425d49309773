"""All benchmarks, one after the other, each in its own process: ``python -m benchmarks.run [--quick]``."""

import argparse
import subprocess
import sys

QUICK = {
    "memory": ("--films", "5", "--starts", "1"),
    "latency": ("--films", "10"),
    "throughput": ("--films", "20"),
    "receive": ("--count", "10", "--runs", "1"),
    "upper_layer": ("--films", "5", "--seconds", "2"),
    "scale": ("--cases", "1000", "--times", "5"),
}


def main() -> None:
    """Exit status 1 when one of them failed; the others run all the same."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true", help="a few films of each: for a look, not for a claim")
    quick = options.parse_args().quick
    failed = [
        name
        for name, few in QUICK.items()
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *(few if quick else ())], check=False).returncode
    ]
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
