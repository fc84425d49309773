"""The command ``xray-triage``: one function a verb, grouped by who uses them; each opens the stores it needs."""

import logging
import sys

import typer

from xray_triage.cli import (
    account_verbs,
    backup_verbs,
    case_verbs,
    film_verbs,
    model_verbs,
    record_verbs,
    result_verbs,
    signing_verbs,
    specialist_verbs,
    station_verbs,
)

app = typer.Typer(
    name="xray-triage",
    help="Reads chest X-rays at a health station, tells the doctor, and gets everything to the central PACS.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for verbs in (
    station_verbs,
    film_verbs,
    case_verbs,
    result_verbs,
    signing_verbs,
    record_verbs,
    account_verbs,
    specialist_verbs,
    backup_verbs,
):
    verbs.add_to(app)
app.add_typer(model_verbs.app, name="model")


def main() -> None:
    """Run one verb. Exit 0: done; 1: the job failed, with one line on standard error; 2: wrong usage."""
    from xray_triage.log import ignore_pydicom_warnings, log_to_stderr

    ignore_pydicom_warnings()
    log_to_stderr(logging.WARNING)
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:  # the top: what we raise on purpose is told in one line, the rest is a bug
        line = _one_line(error)
        if line is None:
            raise
        sys.exit(f"xray-triage: {line}")


def _one_line(error: Exception) -> str | None:
    """What to tell the user, or None for an error that nobody meant. Imports late: most runs end well."""
    from sqlalchemy.exc import OperationalError

    from dicom_router.errors import RouterError
    from xray_triage.accounts.users import AccountError
    from xray_triage.assessment.labels import AssessmentError
    from xray_triage.cases.casebook import UnknownCase
    from xray_triage.config.loading import ConfigError
    from xray_triage.consultations.preparing import CannotAsk
    from xray_triage.language import ENGLISH
    from xray_triage.model.acquaintance import SiteError
    from xray_triage.reading.bundle import BundleError
    from xray_triage.records.result import CannotWrite
    from xray_triage.station.backups.sqlite import BackupError
    from xray_triage.station.lock import StationError

    if isinstance(error, UnknownCase):
        return f"no case {error.args[0]!r}; list them with: xray-triage cases"
    if isinstance(error, CannotWrite):
        return ENGLISH.translate(str(error))
    if isinstance(error, OperationalError):
        return f"the database cannot be used: {' '.join(str(error.orig).split())}; who owns it, and is its disk full?"
    ours = (
        ConfigError, StationError, BackupError, BundleError, SiteError, AssessmentError, RouterError, CannotAsk,
        AccountError, OSError,
    )  # fmt: skip
    return " ".join(str(error).split()) if isinstance(error, ours) else None
