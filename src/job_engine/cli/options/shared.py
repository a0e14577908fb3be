"""Options that several commands share, and what they mean.

A flag that tells how an engine runs or is found has the same environment variable in all commands
(``JOB_ENGINE_PORT``); the others have one that names the command too (``JOB_ENGINE_SUBMIT_PRIORITY``).
"""

import math
import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
from click.core import ParameterSource

from job_engine.cli.group import CONNECTION, PREFIX, SETTINGS, Command
from job_engine.cli.options.secrets import secret_option
from job_engine.job.errors import Invalid
from job_engine.job.times import seconds

if TYPE_CHECKING:
    from job_engine.client import Client

F = TypeVar("F", bound=Callable[..., Any])
Decorator = Callable[[F], F]

API_OPTIONS: Final = ("url", "user", "pass", "key", "secret", "insecure", "ca", "cert", "cert_key")
"""Names of the options of `api_options`, without what all begin with."""
_NAMES_AN_ENGINE: Final = CONNECTION - {"api_authn_header"}


def command(name: str, **settings: Any) -> Callable[[Callable[..., Any]], Command]:
    """A command whose options have environment variables."""
    context = {**SETTINGS, "auto_envvar_prefix": f"{PREFIX}_{name.upper()}"}
    return click.command(name, cls=Command, context_settings=context, **settings)


def option(*names: str, **settings: Any) -> Decorator[Any]:
    """An option of one command, with an environment variable that names the command."""
    return click.option(*names, show_envvar=True, **settings)


def engine_option(*names: str, **settings: Any) -> Decorator[Any]:
    """An option with the same environment variable in all commands."""
    flag = next(name for name in names if name.startswith("--")).lstrip("-").replace("-", "_").upper()
    return click.option(*names, envvar=f"{PREFIX}_{flag}", show_envvar=True, **settings)


def data_option(help_text: str = "Folder of the engine's data.  [default: the user's data folder]") -> Decorator[Any]:
    """``--data``."""
    return engine_option("--data", type=click.Path(path_type=Path, file_okay=True), help=help_text)


def connectable(function: F) -> F:
    """Adds the options that name an engine; the function's first argument then makes a `Client` of it."""

    @wraps(function)
    def with_connect(*arguments: Any, **rest: Any) -> Any:
        own = {name: value for name, value in rest.items() if name not in _NAMES_AN_ENGINE}
        return function(lambda: client_of(click.get_current_context()), *arguments, **own)

    wrapped: Any = with_connect
    for decorate in (
        data_option("Folder of the engine on this machine.  [default: the user's data folder]"),
        engine_option("--profile", metavar="NAME", help="A profile in profiles.toml of the configuration folder."),
        *api_options(),
    ):
        wrapped = decorate(wrapped)
    return wrapped  # type: ignore[no-any-return]


def connecting(function: F) -> F:
    """Adds the options that name an engine; the function's first argument is a `Client` of it."""

    @connectable
    @wraps(function)
    def with_client(connect: Callable[[], "Client"], *arguments: Any, **rest: Any) -> Any:
        with connect() as client:
            return function(client, *arguments, **rest)

    return with_client  # type: ignore[return-value]


def client_of(ctx: click.Context, **settings: Any) -> "Client":
    """A client of the engine that the options of a command name; ``settings`` are `Client`'s."""
    from job_engine.client import Client

    given = {name: ctx.params[f"api_{name}"] for name in API_OPTIONS}
    # Of the environment's folder and profile the client itself says which goes first.
    flags: dict[str, Any] = {
        name: ctx.params[name] if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE else None
        for name in ("data", "profile")
    }
    return Client(
        given["url"],
        username=given["user"],
        password=given["pass"],
        key=given["key"],
        secret=given["secret"],
        insecure=given["insecure"] or None,
        ca=given["ca"],
        cert=given["cert"],
        cert_key=given["cert_key"],
        environ=os.environ,
        mask_secrets=True,
        **flags,
        **settings,
    )


def api_options() -> list[Decorator[Any]]:
    """The options that say where an API server is and who calls, last first."""
    return [
        certificate_options,
        engine_option("--api-ca", metavar="FILE", help="Authorities to trust instead of the system's."),
        engine_option("--api-insecure", is_flag=True, default=None, help="Accept any TLS certificate."),
        secret_option(engine_option, "--api-secret", metavar="SECRET", help="The API key's secret."),
        engine_option("--api-key", metavar="KEY", help="An API key, instead of a user."),
        secret_option(engine_option, "--api-pass", metavar="PASSWORD", help="The user's password."),
        engine_option("--api-user", metavar="USER", help="A user's name."),
        engine_option("--api-url", metavar="URL", help="The API server.  [default: the engine that runs here]"),
    ]


def certificate_options(function: F) -> F:
    """Adds the options that say which certificate a client shows."""
    key = engine_option("--api-cert-key", metavar="FILE", help="The key of --api-cert.  [default: in the same file]")
    certificate = engine_option(
        "--api-cert", metavar="FILE", help="Our certificate, for a server that asks executors for one."
    )
    return certificate(key(function))  # type: ignore[no-any-return]


def duration(text: str | float) -> float:
    """A length of time in seconds, typed as a number of them or as ``10m``; the type of an option."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    try:
        return seconds(number if math.isfinite(number) else text)
    except Invalid as error:
        raise click.BadParameter(error.message) from None


json_option: Final = engine_option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
