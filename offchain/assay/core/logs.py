"""Structured logs of the services: one event a line, for people or as JSON.

An event has a name and fields; `job`, `claim` and `game` carry the ids end to end. Nothing
that a consumer wrote or a model answered is ever a field.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Literal

LOGGER = logging.getLogger("assay")
_FIELDS = "assay_fields"


def event(name: str, level: int = logging.INFO, **fields: object) -> None:
    """Log one event; bytes are shown as 0x-hex."""
    if LOGGER.isEnabledFor(level):
        # Without the search for the line that called, which takes longer than the rest.
        record = logging.LogRecord(LOGGER.name, level, "", 0, name, (), None)
        setattr(record, _FIELDS, {key: _shown(value) for key, value in fields.items()})
        LOGGER.handle(record)


def warning(name: str, **fields: object) -> None:
    event(name, logging.WARNING, **fields)


def configure(service: str, log_format: Literal["text", "json"]) -> None:
    """Send this package's events to stderr in the given format."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines(service) if log_format == "json" else _Text(service))
    LOGGER.handlers = [handler]
    LOGGER.setLevel(logging.INFO)
    LOGGER.propagate = False


def _shown(value: object) -> object:
    return "0x" + value.hex() if isinstance(value, bytes) else value


def _fields(record: logging.LogRecord) -> dict[str, object]:
    fields: dict[str, object] = getattr(record, _FIELDS, {})
    return fields


class _JsonLines(logging.Formatter):
    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": round(record.created, 3),
            "level": record.levelname.lower(),
            "service": self._service,
            "event": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class _Text(logging.Formatter):
    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        fields = " ".join(f"{key}={value}" for key, value in _fields(record).items())
        line = f"{clock} {self._service:<10} {record.getMessage()} {fields}".rstrip()
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line
