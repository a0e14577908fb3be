"""What child processes print goes to the log of the job that started them, in order with what the job prints itself.

A child process whose output nobody asked for would write to the executor's own output, because all slots of a process
share that. It gets a pipe instead. The pipe is read by a thread, and before each line that the job itself says, so that
what a child wrote earlier stands earlier in the log.
"""

import codecs
import contextlib
import os
import select
import subprocess
import sys
import threading
from typing import Any, Final

from job_engine.actions.output import COMPLAINED, PRINTED, RUNNING, Output, Stream

CAPACITY: Final = 1 << 16
"""Bytes that a pipe holds: pipe(7)."""

_init = subprocess.Popen.__init__
_system = os.system
_fork = os.fork


class ChildOutput:
    """The pipe to which one child process, and its own children, write.

    Args:
        output: the log of the job that starts the child process.
        level: of what the child writes.
    """

    def __init__(self, output: Output, level: str) -> None:
        self._output = output
        self._level = level
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._lock = threading.RLock()  # from a read to the log, so that two readers keep the order
        self._ended = False
        self._fd, self.theirs = os.pipe()
        os.set_blocking(self._fd, False)

    def start(self) -> None:
        """Begin to read: the child process has its end of the pipe."""
        os.close(self.theirs)
        self._output.attach(self)
        threading.Thread(target=self._follow, name="child-output", daemon=True).start()

    def close(self) -> None:
        """Give up the pipe: the child process could not be started."""
        os.close(self.theirs)
        os.close(self._fd)

    def drain(self) -> bool:
        """Pass on what the pipe holds. False once every process that could write to it has ended."""
        with self._lock:
            for _ in range(2):  # the second time for the end of the pipe
                if self._ended:
                    break
                try:
                    data = os.read(self._fd, CAPACITY)
                except BlockingIOError:
                    break
                self._ended = not data
                self._pass_on(data)
            return not self._ended

    def _pass_on(self, data: bytes) -> None:
        if not self._output.hear(self, self._level, self._decode(data, final=not data)) and data:
            with contextlib.suppress(OSError):  # the job has ended: the rest is for the executor's log
                os.write(2 if self._level == COMPLAINED else 1, data)
        if not data:
            self._output.detach(self)

    def _follow(self) -> None:
        readable = select.poll()
        readable.register(self._fd, select.POLLIN)
        while self.drain():
            readable.poll()
        os.close(self._fd)


def install() -> None:
    """Give the children of jobs in this process their pipes, from now on."""
    subprocess.Popen.__init__ = _popen  # type: ignore[method-assign]
    os.system = _call
    os.fork = _forked


def uninstall() -> None:
    """Undo `install`."""
    subprocess.Popen.__init__ = _init  # type: ignore[method-assign]
    os.system = _system
    os.fork = _fork


def _popen(
    self: "subprocess.Popen[Any]",
    args: Any,
    bufsize: int = -1,
    executable: Any = None,
    stdin: Any = None,
    stdout: Any = None,
    stderr: Any = None,
    *others: Any,
    **named: Any,
) -> None:
    """`subprocess.Popen`, whose output goes to the running job unless somebody asked for it."""
    output = RUNNING.get()
    out, err = _unasked(stdout), _unasked(stderr)
    if output is None or not (out or err):
        _init(self, args, bufsize, executable, stdin, stdout, stderr, *others, **named)
        return
    pipe = ChildOutput(output, PRINTED if out else COMPLAINED)
    try:
        streams = pipe.theirs if out else stdout, pipe.theirs if err else stderr
        _init(self, args, bufsize, executable, stdin, *streams, *others, **named)
    except BaseException:
        pipe.close()
        raise
    pipe.start()


def _unasked(stream: Any) -> bool:
    return stream is None or isinstance(stream, Stream)


def _call(command: Any) -> int:
    """`os.system`, whose shell C starts without asking Python where its output goes."""
    if RUNNING.get() is None:
        return _system(command)
    code = subprocess.call(command, shell=True, close_fds=False)  # noqa: S602 - as the action asked
    return -code if code < 0 else code << 8


def _forked() -> int:
    """`os.fork`, in whose child process both streams are the job's."""
    output = RUNNING.get()
    if output is None:
        return _fork()
    pipe = ChildOutput(output, PRINTED)
    try:
        pid = _fork()
    except BaseException:
        pipe.close()
        raise
    if pid:
        pipe.start()
    else:
        for fd, stream in ((1, sys.stdout), (2, sys.stderr)):
            os.dup2(pipe.theirs, fd)
            if isinstance(stream, Stream):  # what it holds is the parent's to write
                stream.real = open(fd, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
        pipe.close()
    return pid
