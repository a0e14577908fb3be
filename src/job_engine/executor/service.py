"""The threads of a worker process that serve its jobs, and its end."""

import logging
import os
import signal
from collections.abc import Callable
from typing import NoReturn

from job_engine.executor.board import BROKEN, Board
from job_engine.threads import start

log = logging.getLogger(__name__)


def end_now() -> NoReturn:
    """End this process at once, and with it what its actions have started."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)
    raise SystemExit  # not reached: SIGKILL cannot be put off


def here(run: Callable[[], object], board: Board, why: int = BROKEN) -> NoReturn:
    """Run ``run`` for ever in this thread, as `service` does."""
    try:
        run()
    except BaseException:  # boundary: nothing is known of the state of the process
        log.critical("this worker process has failed, and ends", exc_info=True)
    board.leave(why)
    end_now()


def service(name: str, run: Callable[[], object], board: Board, why: int = BROKEN) -> None:
    """Run ``run`` for ever in a thread of its own. If it fails, the process ends, and the board has ``why``."""

    def end() -> None:
        board.leave(why)
        end_now()

    start(name, run, end)
