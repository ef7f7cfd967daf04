"""What the web server writes about clients' mistakes, without the noise."""

import logging
from typing import Final

# uvicorn logs this with a traceback, as an error; it is the client's, and it was closed for it with 1007.
NOT_UTF8: Final = "Invalid UTF-8 sequence received from client."


def quieten(record: logging.LogRecord) -> bool:
    """A filter for the logger "uvicorn.error": whoever sends rubbish must not fill the log with tracebacks."""
    if record.msg == NOT_UTF8:
        record.levelno, record.levelname = logging.INFO, "INFO"
        record.exc_info = None
    return True
