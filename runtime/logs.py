"""Logs to standard error: plain lines, or one JSON object a line."""

from __future__ import annotations

import json
import logging
import sys
import time

from runtime.settings import Settings

_STANDARD = set(logging.makeLogRecord({}).__dict__) | {"message", "asctime"}


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, service, instance, logger, message, and what was passed as `extra`."""

    def __init__(self, service: str, instance: str) -> None:
        super().__init__()
        self._common = {"service": service, "instance": instance}

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            **self._common,
            "logger": record.name,
            "message": record.getMessage(),
            **{key: value for key, value in record.__dict__.items() if key not in _STANDARD},
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def configure_logging(settings: Settings, service: str) -> None:
    """Set up the root logger of a service; the libraries' own chatter starts at warning."""
    handler = logging.StreamHandler(sys.stderr)
    if settings.log_format == "json":
        handler.setFormatter(JsonFormatter(service, settings.instance))
    else:
        formatter = logging.Formatter(f"%(asctime)s %(levelname)-7s {service} %(name)s: %(message)s")
        handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    for chatty in ("aiokafka", "faust", "mode", "asyncio", "uvicorn.access"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
