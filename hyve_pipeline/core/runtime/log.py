"""Shows the package's log on standard error, as ``--verbose`` asks for."""

import logging
import sys
from collections.abc import Callable

from hyve_pipeline.core.base.keys import printable

# The parent of all loggers of the package. Libraries' own logs have secrets in them.
_LOGGER = "hyve_pipeline"


class _StandardError(logging.Handler):
    """Writes to what is standard error now: progress bars put a stream of their own there."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(f"{printable(self.format(record))}\n")
            sys.stderr.flush()
        except OSError:
            self.handleError(record)


def show_log(level: int) -> Callable[[], None]:
    """Show what is logged from a level on, until the function that this returns is called."""
    logger = logging.getLogger(_LOGGER)
    before = logger.level
    handler = _StandardError()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logger.addHandler(handler)
    logger.setLevel(level)

    def end() -> None:
        logger.removeHandler(handler)
        logger.setLevel(before)

    return end


def shown_level() -> int | None:
    """The level from which on this process shows its log; None when it does not."""
    logger = logging.getLogger(_LOGGER)
    return logger.level if any(isinstance(handler, _StandardError) for handler in logger.handlers) else None
