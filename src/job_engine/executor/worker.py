"""A worker process: ``python -m job_engine.executor.worker SOCKET BOARD``, two file descriptors from the supervisor.

Slots run jobs; a thread reads orders, and another one sends reports of how jobs end. Of a process with one slot the
main thread is that slot, so that its actions can set alarms and signal handlers. It ends when the supervisor does.
"""

import contextlib
import ctypes
import gc
import logging
import os
import re
import signal
import socket
import sys
from collections.abc import Sequence
from functools import partial
from typing import Final, NoReturn

from job_engine.actions import children
from job_engine.actions.details import details
from job_engine.actions.interruption import FINAL
from job_engine.actions.load import load
from job_engine.actions.output import RUNNING, install
from job_engine.actions.registry import Actions
from job_engine.client.discovery import Found, entrust
from job_engine.executor.alarm import PROBE
from job_engine.executor.attempt import Attempt
from job_engine.executor.board import Board
from job_engine.executor.clients import Clients
from job_engine.executor.log_format import configure
from job_engine.executor.messages import Frames, Loaded, Orders, RawReport, Setup, frame, orders_of
from job_engine.executor.report_sender import ReportSender
from job_engine.executor.service import end_now, here, service
from job_engine.executor.slot import Slots
from job_engine.executor.watchdog import Watchdog
from job_engine.exit_codes import WRONG
from job_engine.job.errors import Forbidden, JobEngineError

log = logging.getLogger(__name__)

CHUNK: Final = 1 << 18
"""Bytes to read at a time."""
_PR_SET_PDEATHSIG: Final = 1
"""prctl(2)"""
NO_JOB: Final = (
    "no job runs in this thread or process, so a client does not know whose it is: make it in the action itself and"
    " hand it on, or run the thread in contextvars.copy_context()"
)
"""Why there is no client by `Client()`."""


def main(arguments: list[str]) -> None:
    """Serve until the supervisor is gone."""
    _die_with(os.getppid())
    sock, board_fd = socket.socket(fileno=int(arguments[0])), int(arguments[1])
    inherited = [fd for fd in range(3, max(sock.fileno(), board_fd) + 1) if _keep_to_ourselves(fd)]
    locks = [fd for fd in inherited if fd not in (sock.fileno(), board_fd)]
    # A handler that does nothing, not SIG_IGN: programs that actions start would inherit that one.
    for signal_ in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signal_, lambda *_: None)
    reader = Reader(sock)
    first, *others = reader.read()
    setup = first.setup
    assert setup is not None
    level = configure(setup.log_level)
    board = Board(setup.threads, board_fd)
    children.install()  # first: actions may import what it replaces by name
    clients = Clients(setup)
    entrust(setup.api_url, partial(_found, clients, setup.hands_out))  # modules may make clients, which are no job's
    actions = _load(sock, setup)
    install(min(level, logging.INFO))  # a job's log has what is worth knowing, however quiet the executor is
    sender = ReportSender(sock, board)
    slots = Slots(
        actions, board, sender, clients.connect, setup.engine, setup.nuvlaedge_fs, setup.api_grace, setup.output,
        [re.compile(pattern) for pattern in setup.masked],
    )  # fmt: skip
    os.register_at_fork(after_in_child=lambda: _as_usual(slots, locks, clients))
    watchdog = Watchdog(board, lambda: slots.busy)
    gc.collect()
    gc.freeze()  # what is loaded stays: it need not be looked through again
    sender.start()
    watchdog.start()
    sender.report(RawReport(loaded=_loaded(actions)))
    obey = partial(_obey, reader, others, slots, watchdog, clients)
    if setup.threads == 1:
        service("orders", obey, board)
        slots.serve()
    slots.start()
    here(obey, board)


def _obey(reader: "Reader", ordered: Sequence[Orders], slots: Slots, watchdog: Watchdog, clients: Clients) -> NoReturn:
    while True:
        for orders in ordered:
            if orders.session is not None:
                clients.session = orders.session
            if orders.run:
                slots.add(orders.run)
                watchdog.awake.set()
            for handle, why in orders.interrupt:
                slots.interrupt(handle, why)
            for handle in orders.recorded:
                slots.recorded(handle)
            if orders.recall:
                slots.recall()
        ordered = reader.read()


class Reader:
    """Orders from the supervisor's socket."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._frames = Frames(orders_of)

    def read(self) -> list[Orders]:
        """The next orders, one at least. Does not return when the supervisor is gone."""
        while True:
            try:
                data = self._socket.recv(CHUNK)
            except ConnectionError:
                data = b""
            if not data:
                end_now()
            if orders := self._frames.feed(data):
                return orders


def _load(sock: socket.socket, setup: Setup) -> Actions:
    try:
        return load(
            setup.actions,
            entry_points=setup.entry_points,
            pull_mode_only=setup.pull_mode_only,
            needed=setup.needed,
            importing=lambda source: _report(sock, RawReport(importing=source)),
        )
    except JobEngineError as error:
        _report(sock, RawReport(loaded=Loaded(actions=[], failed={}, duplicates=[], wrong=error.message)))
        sys.exit(WRONG)


def _report(sock: socket.socket, report: RawReport) -> None:
    try:
        sock.sendall(frame(report))
    except ConnectionError:  # the supervisor is gone
        end_now()


def _loaded(actions: Actions) -> Loaded:
    main_thread = [action.name for action in actions if action.main_thread]
    return Loaded(
        actions=actions.names(),
        failed=dict(actions.failed),
        duplicates=list(actions.duplicates),
        main_thread=main_thread,
        details={action.name: details(action) for action in actions},
    )


def _found(clients: Clients, hands_out: bool) -> Found:
    """The engine, for the clients that an action makes without saying which."""
    output = RUNNING.get()
    hold = None if output is None else output.hold
    if isinstance(hold, Attempt):
        return clients.found(hold.id, hold.key[1])
    if hands_out:
        return clients.found("the executor", 0)
    raise Forbidden(NO_JOB)


def _keep_to_ourselves(fd: int) -> bool:
    """Programs that actions start shall not inherit ``fd``: they could outlive us, and hold the run folder's lock.

    Whether there is such a descriptor.
    """
    try:
        os.set_inheritable(fd, False)
    except OSError:
        return False
    return True


def _as_usual(slots: Slots, locks: Sequence[int], clients: Clients) -> None:
    """In a process that an action forked, as multiprocessing does: signals end it, and it holds no job and no lock."""
    for fd in locks:
        with contextlib.suppress(OSError):
            os.close(fd)
    for attempt in list(slots.running.values()):
        attempt.interrupted.why = FINAL  # without a lock: it may be held by a thread that is not here
    RUNNING.set(None)
    clients.anew()
    signal.set_wakeup_fd(-1)  # its other end is the parent's: it would take our alarms for its own
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for signal_ in (signal.SIGTERM, signal.SIGHUP, PROBE):
        signal.signal(signal_, signal.SIG_DFL)


def _die_with(parent: int) -> None:
    """Have the kernel end this process when the supervisor dies, even while an action holds the interpreter."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            end_now()


if __name__ == "__main__":
    main(sys.argv[1:])
