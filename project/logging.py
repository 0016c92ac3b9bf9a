"""Every log line as one JSON object on stdout: the service's own, Django's and gunicorn's.

Importable without Django, so that gunicorn's configuration file can use it for its master's lines as well.
"""

from __future__ import annotations

import logging
from typing import Any

import structlog
from structlog.typing import EventDict, Processor

from lockgate.redaction import masked, sifted


def without_secrets(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Tracebacks without the passwords of connections; their last line is what a server, or a library, said."""
    if "exception" in event:
        event["exception"] = masked(str(event["exception"]))
        event["event"] = sifted(str(event["event"]))
    return event


SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.stdlib.ExtraAdder(allow=["status_code"]),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
    # As text and without local variables, which may hold secrets.
    structlog.processors.format_exc_info,
    without_secrets,
]


def configuration(level: str = "INFO") -> dict[str, Any]:
    """For ``logging.config.dictConfig``, Django's LOGGING and gunicorn's ``logconfig_dict``.

    Loggers that others equip with handlers lose those and hand their records to the root logger instead.
    An unknown level counts as INFO: gunicorn must come up for serve.py to say what is wrong with it.
    """
    if level not in logging.getLevelNamesMapping():
        level = "INFO"
    handed_up: dict[str, Any] = {"level": "NOTSET", "propagate": True}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": formatter}},
        "handlers": {"stdout": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", "formatter": "json"}},
        "root": {"handlers": ["stdout"], "level": level},
        "loggers": dict.fromkeys(("django", "django.server", "gunicorn.error", "gunicorn.access"), handed_up),
    }


def formatter() -> structlog.stdlib.ProcessorFormatter:
    """Renders structlog's records and everybody else's alike."""
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=SHARED,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(default=str),
        ],
    )


def configure_structlog() -> None:
    """Send structlog's events through the standard library, where levels and handlers are decided."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
