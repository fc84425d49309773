"""Runs the command as a module: ``python -m xray_triage.cli``."""

from xray_triage.cli import main

main()
