"""Threads of the engine's own, without which its process is of no use: the process ends with them."""

import logging
import os
import threading
from collections.abc import Callable

from job_engine.exit_codes import INTERNAL

log = logging.getLogger(__name__)


def start(name: str, run: Callable[[], object], end: Callable[[], object] | None = None) -> threading.Thread:
    """Run ``run`` in a daemon thread. If ``run`` raises anything, the failure is logged and the process ends at once.

    A process that goes on without such a thread accepts work that nobody does; a process that ends is replaced.

    Args:
        end: ends the process; default: at once, with exit code `INTERNAL`.
    """

    def guarded() -> None:
        try:
            run()
        except BaseException as failure:  # noqa: BLE001 - boundary: nothing is known of what the thread looked after
            try:
                log.critical("the thread %s has failed, and its process ends: %s", name, type(failure), exc_info=True)
            finally:
                (end or _end)()

    thread = threading.Thread(target=guarded, name=name, daemon=True)
    thread.start()
    return thread


def _end() -> None:
    os._exit(INTERNAL)
