"""Log lines: one event a line on standard error, key=value, in English, without patient data."""

import logging
import sys
import warnings

import structlog


def log_to_stderr(level: int = logging.INFO) -> None:
    """Send every log line of this process to standard error; those of libraries only from WARNING up."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(
        level=logging.WARNING, stream=sys.stderr, format="level=%(levelname)s logger=%(name)s %(message)s"
    )


def ignore_pydicom_warnings() -> None:
    """Real films break the rules of value representations in every other header; we read them all the same.

    pydicom logs what it warns of, too, and quotes the value: it may be a patient's.
    """
    warnings.filterwarnings("ignore", module=r"pydicom\.")
    logging.getLogger("pydicom").setLevel(logging.ERROR)
