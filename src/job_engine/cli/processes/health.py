"""Whether a part is well, for a health check that asks from outside, as a container's does.

Each part that has a health folder listens there on a Unix socket that is named after its role. The answer comes from
the event loop that does the part's work, so a part that hangs does not answer.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any, Final, Protocol

import click

from job_engine.cli.options.shared import Decorator, engine_option
from job_engine.job.errors import Invalid

WELL: Final = "ok"
"""The answer of a part that serves no port."""
BACKLOG: Final = 8


class Start(Protocol):
    """Makes the running event loop answer health checks."""

    def __call__(self, answer: str = WELL) -> None:
        """Answer each with this: the address that is to be asked, too, or `WELL`."""


def health_checked(role: str) -> Decorator[Any]:
    """Adds ``--health-dir``; the command's argument ``on_start`` is then a `Start`, to be called once the loop runs."""
    option = engine_option(
        "--health-dir",
        metavar="FOLDER",
        type=click.Path(path_type=Path),
        help="Where health checks find this part's socket, which answers while it is well.",
    )

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def with_health(*arguments: Any, health_dir: Path | None, **rest: Any) -> Any:
            with health(health_dir, role) as start:
                return function(*arguments, on_start=start, **rest)

        return option(with_health)  # type: ignore[no-any-return]

    return decorate


@contextlib.contextmanager
def health(folder: Path | None, role: str) -> Iterator[Start]:
    """Listens in the folder, if there is one.

    Connections that come before the event loop runs wait: a part that never gets so far is as ill as one that hangs.

    Raises:
        Invalid: the socket cannot be made.
    """
    if folder is None:
        yield lambda answer=WELL: None
        return
    path = folder / f"{role}.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.unlink(missing_ok=True)  # of one that was killed
            listener.bind(str(path))
            made = os.stat(path)
            listener.listen(BACKLOG)
        except OSError as error:
            why = error.strerror or error
            raise Invalid(f"cannot listen in the health folder {folder}: {why}; name another --health-dir") from None
        listener.setblocking(False)

        def start(answer: str = WELL) -> None:
            asyncio.get_running_loop().add_reader(listener, _tell, listener, f"{answer}\n".encode())

        try:
            yield start
        finally:
            with contextlib.suppress(OSError):
                if os.path.samestat(os.stat(path), made):  # else it is a successor's
                    path.unlink()


def _tell(listener: socket.socket, answer: bytes) -> None:
    with contextlib.suppress(OSError):  # who asked is gone, and may ask again
        connection, _ = listener.accept()
        with connection:
            connection.send(answer)
