"""The command ``xray-triage``: one function a verb, grouped by who uses them. Joins nothing itself; station.py does."""

import sys

import typer

from xray_triage.cli import desk_verbs, film_verbs, model_verbs, station_verbs

app = typer.Typer(
    name="xray-triage",
    help="Reads chest X-rays at a health station, tells the doctor, and gets everything to the central PACS.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for verbs in (station_verbs, film_verbs, desk_verbs):
    verbs.add_to(app)
app.add_typer(model_verbs.app, name="model")


def main() -> None:
    """Run one verb. Exit 0: done; 1: the job failed, with one line on standard error; 2: wrong usage."""
    from dicom_router.errors import RouterError
    from xray_triage.cases.casebook import UnknownCase
    from xray_triage.config import ConfigError
    from xray_triage.log import ignore_pydicom_warnings
    from xray_triage.reading.bundle import BundleError
    from xray_triage.station import StationError

    ignore_pydicom_warnings()
    try:
        app()
    except UnknownCase as error:
        sys.exit(f"xray-triage: no case {error.args[0]!r}; list them with: xray-triage cases")
    except (ConfigError, StationError, BundleError, RouterError, OSError) as error:
        sys.exit(f"xray-triage: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
