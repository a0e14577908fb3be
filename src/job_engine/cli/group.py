"""The commands. Each is imported only when it runs, so that the others start quickly."""

import os
import re
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

import click

SECTIONS: Final[dict[str, dict[str, str]]] = {
    "Run": {
        "up": "Run everything on this machine: API, page, executor, distributor.",
        "server": "Run an API server.",
        "executor": "Run an executor, or one job.",
        "distributor": "Run a distributor, which makes jobs on schedules.",
    },
    "Jobs": {
        "submit": "Add a job; with --wait see it through.",
        "jobs": "List jobs, newest first.",
        "show": "Show a job.",
        "logs": "Print the log of a job; -f follows it.",
        "cancel": "Cancel jobs.",
        "retry": "Run final jobs again, as new jobs.",
        "delete": "Delete jobs.",
        "explain": "Say why a job is where it is.",
    },
    "Engine": {
        "actions": "List the actions that executors have.",
        "executors": "List the executors.",
        "distributions": "List what makes jobs on schedules; run, pause, resume.",
        "queue": "Show the queue: how deep, taken by whom, repaired what.",
        "reconcile": "Repair what differs between queue and record.",
        "audit": "List who did what: logins, users, keys, deletes, cancels.",
        "users": "List users; add, disable, enable, delete some; set a password.",
        "keys": "List API keys, for machines; make and delete some.",
        "open": "Print a new link that signs a browser in.",
        "backup": "Copy the record of this machine's engine, while it runs.",
        "restore": "Put lost jobs of a Nuvla server back into the queue.",
        "doctor": "Check this machine's engine and say what to do.",
        "bench": "Measure this machine with jobs that do nothing.",
        "completion": "Print the completion script of a shell.",
        "version": "Print the version.",
    },
}
PREFIX: Final = "JOB_ENGINE"
"""How the names of all variables begin that stand for options."""
COMMANDS: Final = {name: text for section in SECTIONS.values() for name, text in section.items()}
CONNECTION: Final = frozenset(
    {
        "data", "profile", "api_url", "api_user", "api_pass", "api_pass_file", "api_key", "api_secret",
        "api_secret_file", "api_insecure", "api_ca", "api_cert", "api_cert_key", "api_authn_header",
    }
)  # fmt: skip
"""Options that say which engine is meant, and who calls: a group of their own in the help of commands that call one."""
SERVICE_LINK: Final = re.compile(r"(tcp|udp|sctp)://\S+:[0-9]+")
"""What Kubernetes and Docker put into variables such as ``JOB_ENGINE_PORT`` of all containers beside a service that is
called ``job-engine``. No option takes a value of that form."""
SETTINGS: Final = {"help_option_names": ["-h", "--help"], "max_content_width": 100, "show_default": True}


@dataclass
class Session:
    """One run of the command line."""

    debug: bool = False  # show tracebacks


class Command(click.Command):
    """A command with ``-d``, and options that take several values after one flag.

    Args:
        several: those options, such as ``--actions``; as upstream's flags do, they end at the next flag.
    """

    def __init__(self, *arguments: Any, several: tuple[str, ...] = (), **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._several = several
        self.params.append(
            click.Option(
                ["-d", "--debug"],
                is_flag=True,
                is_eager=True,
                expose_value=False,
                envvar="JOB_ENGINE_DEBUG",
                show_envvar=True,
                show_default=False,
                callback=_debug,
                help="Show more when something goes wrong.",
            )
        )

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ignore_service_links(os.environ)
        return super().parse_args(ctx, list(_one_by_one(args, self._several)))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        calls = any(param.name == "api_url" for param in self.params)
        sections: dict[str, list[tuple[str, str]]] = {"Options": [], "Connection": []}
        for param in self.get_params(ctx):
            if (record := param.get_help_record(ctx)) is not None:
                sections["Connection" if calls and param.name in CONNECTION else "Options"].append(record)
        for title, records in sections.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


class _Lazy(click.Group):
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        rest = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            name = next((arg for arg in rest if arg in COMMANDS), "COMMAND")
            message = f"options go after the command: job-engine {name} {error.option_name}"
            raise click.UsageError(message, ctx) from error

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"job_engine.cli.commands.{cmd_name}"), cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        with _suggesting(ctx, args[0] if args else ""):
            return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl(list(commands.items()))
        with formatter.section("Exit codes"):
            formatter.write_dl(
                [("0", "done"), ("1", "the job failed"), ("2", "wrong use"), ("3", "no engine can be reached")]
            )


def ignore_service_links(environ: MutableMapping[str, str]) -> None:
    """Remove the variables of ``environ`` that would be taken for options of ours, and are links to a service."""
    links = [name for name, value in environ.items() if name.startswith(PREFIX) and SERVICE_LINK.fullmatch(value)]
    for name in links:
        del environ[name]


@contextmanager
def _suggesting(ctx: click.Context, name: str) -> Iterator[None]:
    try:
        yield
    except click.UsageError as error:
        from difflib import get_close_matches

        near = get_close_matches(name, COMMANDS, 1)
        meant = f", did you mean {near[0]}?" if near else ""
        raise click.UsageError(f"there is no command {name!r}{meant}", ctx) from error


def _debug(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    session = ctx.find_object(Session)
    if value and session is not None:
        session.debug = True


def _one_by_one(args: list[str], several: tuple[str, ...]) -> Iterator[str]:
    current: str | None = None
    fresh = False  # the flag itself has just been passed on
    for arg in args:
        if arg in several:
            current, fresh = arg, True
        elif arg.startswith("-"):
            current = None
        elif current is not None:
            if not fresh:
                yield current
            fresh = False
        yield arg


def _version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        ctx.invoke(import_module("job_engine.cli.commands.version").version, as_json=False)
        ctx.exit()


@click.command(cls=_Lazy, context_settings=SETTINGS)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Print the version."
)
def group() -> None:
    """A durable job engine.

    `job-engine up` starts one on this machine; `job-engine submit noop --wait` runs a job through it. The other
    commands find it by its data folder, or any API server by --api-url and credentials.
    """
