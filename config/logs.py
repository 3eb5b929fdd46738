"""Logs as data, to stderr: JSON for machines, coloured lines for a terminal.

Owns how records of structlog and of the standard library become one kind of line. Text from
outside is only ever a value in a line, never its format, and JSON escapes its line breaks.
"""

import structlog
from structlog.typing import EventDict, WrappedLogger

LONGEST_VALUE = 2000  # attacker-written text does not fill the disk


def bound_values(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Cut long texts, and take control characters out of them."""
    for key, value in event.items():
        if isinstance(value, str) and key not in ("exception", "stack"):
            short = value if len(value) <= LONGEST_VALUE else value[:LONGEST_VALUE] + "…"
            event[key] = "".join(
                letter if letter.isprintable() else repr(letter)[1:-1] for letter in short
            )
    return event


SHARED: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
]


def logging_settings(*, as_json: bool, debug: bool) -> dict[str, object]:
    """Django's LOGGING; also configures structlog to hand its records to the standard library."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *SHARED,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    ending: list[structlog.typing.Processor] = (
        [structlog.processors.format_exc_info, bound_values, structlog.processors.JSONRenderer()]
        if as_json
        else [bound_values, structlog.dev.ConsoleRenderer()]
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": SHARED,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    *ending,
                ],
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": "DEBUG" if debug else "INFO"},
        "loggers": {
            "django": {"handlers": [], "propagate": True},
            "django.server": {"handlers": [], "propagate": True},
            # Each statement as a log line would hold data of people.
            "django.db.backends": {"level": "INFO"},
            "botocore": {"level": "INFO"},
            "urllib3": {"level": "INFO"},
            # Addresses of requests hold tokens and names of people.
            "httpx": {"level": "WARNING"},
            "asyncio": {"level": "INFO"},
            # Every tick of the schedule would be two lines; failures still are.
            "celery.worker.strategy": {"level": "WARNING"},
            # A task of the schedule that came too late to matter, and hellos at the start.
            "celery.worker.request": {"level": "WARNING"},
            "celery.worker.consumer.connection": {"level": "WARNING"},
            "celery.apps.worker": {"level": "WARNING"},
            "celery.app.trace": {"level": "WARNING"},
            "celery.utils.functional": {"level": "INFO"},
            "celery.beat": {"level": "WARNING"},
            "kombu": {"level": "INFO"},
        },
    }
