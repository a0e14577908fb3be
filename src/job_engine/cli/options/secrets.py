"""Secrets of the command line: each may also come from a file or from systemd, and none reaches people's functions."""

import os
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Any, Final

import click

FROM_SYSTEMD: Final = "CREDENTIALS_DIRECTORY"
"""Where systemd puts what ``LoadCredential=`` and the like name (systemd.exec(5))."""
VARIABLES: Final = (
    "JOB_ENGINE_API_PASS", "JOB_ENGINE_API_PASS_FILE", "JOB_ENGINE_API_KEY", "JOB_ENGINE_API_SECRET",
    "JOB_ENGINE_API_SECRET_FILE", "JOB_ENGINE_API_AUTHN_HEADER", "JOB_ENGINE_ZK_AUTH", "JOB_ENGINE_ZK_SASL",
    "JOB_ENGINE_ZK_KEY_PASSWORD", "JOB_COOKIES",
)  # fmt: skip
"""Variables of the environment that hold credentials, or name them to `Client`."""


def secret_option(
    option: Callable[..., Callable[[Any], Any]], flag: str, **settings: Any
) -> Callable[[Callable[..., Any]], Any]:
    """The option ``flag`` and one beside it that names a file. What is typed goes first, then the variable, then the
    file, then what systemd has under the flag's name. Of a flag with several values each line of the file is one.

    Args:
        option: makes each of them, as `engine_option` does.
    """
    name = flag.removeprefix("--")

    def remember(ctx: click.Context, _: click.Parameter, path: Path | None) -> None:
        ctx.meta[f"job_engine.secret.{name}"] = path

    def resolve(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
        if value not in (None, ()):
            return value
        path = ctx.meta.get(f"job_engine.secret.{name}") or _of_systemd(name)
        if path is None:
            return value
        from job_engine.client.private import read_secret  # here: most commands are given no file

        secret = read_secret(path)
        return tuple(secret.splitlines()) if param.multiple else secret

    def decorate(function: Callable[..., Any]) -> Any:
        file = option(
            f"{flag}-file",
            metavar="FILE",
            type=click.Path(path_type=Path),
            is_eager=True,  # before the flag itself
            expose_value=False,
            callback=remember,
            help=f"Where what {flag} says is read instead.",
        )
        return option(flag, callback=resolve, **settings)(file(function))

    return decorate


def forget(environ: MutableMapping[str, str]) -> None:
    """Drop the credentials of this program: the functions that it runs, and their children, do not find them."""
    for name in VARIABLES:
        environ.pop(name, None)


def _of_systemd(name: str) -> Path | None:
    folder = os.environ.get(FROM_SYSTEMD)
    path = Path(folder) / name if folder else None
    return path if path is not None and path.exists() else None
