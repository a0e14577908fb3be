"""``job-engine submit``"""

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click
import msgspec

from job_engine.cli.command_line import here
from job_engine.cli.exits import CommandFailed
from job_engine.cli.jobs.completing import action_names, job_ids, parameter_names
from job_engine.cli.jobs.family import counts, follow, print_result
from job_engine.cli.jobs.ids import whole_id
from job_engine.cli.jobs.known import is_text, parameters_of
from job_engine.cli.options.shared import command, connecting, duration, json_option, option
from job_engine.cli.screen import Styled, print_json, say
from job_engine.client import Client, JobCanceled, JobFailed, JobHandle
from job_engine.exit_codes import INTERRUPTED
from job_engine.job.action_details import Parameter
from job_engine.job.bulk import is_bulk
from job_engine.job.bulk_message import found, in_short
from job_engine.job.errors import UNREADABLE
from job_engine.job.terminal import printable


@command("submit")
@click.argument("action", shell_complete=action_names)
@click.argument("arguments", metavar="[KEY=VALUE]...", nargs=-1, shell_complete=parameter_names)
@option("--payload", metavar="JSON|@FILE|@-", help="The action's arguments as JSON; @ reads a file, @- standard input.")
@option("--target", metavar="HREF", help="The resource to act on, TYPE or TYPE/ID.")
@option("--priority", type=click.IntRange(0, 999), help="Lower runs first.  [default: 999]")
@option("--delay", metavar="TIME", type=duration, help="Wait at least so long before it runs, e.g. 10m.")
@option("--not-before", metavar="TIME", help="Wait until then, e.g. 2030-01-31T08:00:00Z.")
@option("--retries", type=click.IntRange(0), help="How often to run again after an exception.")
@option("--timeout", metavar="TIME", type=duration, help="How long an attempt may take, e.g. 10m.")
@option("--key", metavar="KEY", help="Adds nothing if a job with this key was added before, and answers that one.")
@option("--name", metavar="TEXT", help="A name for the job.")
@option("--description", metavar="TEXT", help="What it is for.")
@option(
    "--after",
    metavar="ID",
    multiple=True,
    shell_complete=job_ids,
    help="Wait until this job is SUCCESS; may be repeated.",
)
@option(
    "--after-failure",
    type=click.Choice(["fail", "run"]),
    help="When one of those ends otherwise: fail too, or run all the same.  [default: fail]",
)
@option("--unless-active", is_flag=True, help="Not while a job of this action and target is queued or running.")
@option("--parent", metavar="ID", shell_complete=job_ids, help="The job that this one is a child of.")
@option("--tag", metavar="TEXT", multiple=True, help="A tag; may be repeated.")
@option("--mode", type=click.Choice(["push", "pull", "mixed"]), help="Execution mode.  [default: push]")
@option("--wait", "-w", is_flag=True, help="See it through: show its progress, print its result, exit 1 if it failed.")
@json_option
@connecting
def submit(
    client: Client,
    action: str,
    arguments: tuple[str, ...],
    payload: str | None,
    tag: tuple[str, ...],
    after: tuple[str, ...],
    unless_active: bool,
    wait: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Add a job, and print its id.

    The action's arguments are KEY=VALUE; a VALUE that is JSON is taken as that (n=3, deep=true, names='["a"]'), any
    other as text, and so is one for a parameter that takes texts only (name=3). With --wait the result is printed as
    JSON; of a bulk job how many elements are done, and why others are not.
    """
    job = client.submit(
        action,
        payload=payload_of(payload, arguments, partial(parameters_of, client, action)),
        tags=list(tag),
        after=[whole_id(client, id_) for id_ in after],
        unless_active=unless_active or None,
        **options,
    )
    if not wait:
        if as_json:
            print_json({"id": job.id})
        else:
            say(job.id)
        if sys.stdout.isatty():
            say(Styled(f"look at it with: {here('show', job.id)}", dim=True), err=True)
        return 0
    try:
        return _see_through(job, action, as_json)
    except KeyboardInterrupt:
        say(f"\n{job.id} goes on; look at it with: {here('show', job.id)}", err=True)
        return INTERRUPTED


def payload_of(
    payload: str | None, arguments: tuple[str, ...], known: Callable[[], Sequence[Parameter]] = tuple
) -> Any:
    """The payload that the command line says; None for none.

    Args:
        known: answers the action's parameters; called only if a value may be a text or another JSON value.

    Raises:
        click.UsageError: it says none that can be meant.
    """
    found = None if payload is None else _json(_text(payload))
    if not arguments:
        return found
    if found is not None and not isinstance(found, dict):
        raise click.UsageError("KEY=VALUE goes with a --payload that is a JSON object only")
    texts: dict[str, str] = {}
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if not equals or not key:
            raise click.UsageError(f"{argument!r} is not KEY=VALUE")
        texts[key] = value
    values = {key: _value(text) for key, text in texts.items()}
    unclear = [key for key, value in values.items() if not isinstance(value, str)]
    parameters = known() if unclear else ()
    values |= {key: texts[key] for key in unclear if is_text(parameters, key, values[key])}
    return {**(found or {}), **values}


def _value(text: str) -> Any:
    try:
        return msgspec.json.decode(text.encode(errors="surrogateescape"))
    except UNREADABLE:
        return text


def _text(payload: str) -> bytes:
    if not payload.startswith("@"):
        return payload.encode(errors="surrogateescape")
    if payload == "@-":
        return sys.stdin.buffer.read()
    try:
        return Path(payload[1:]).read_bytes()
    except OSError as error:
        raise click.UsageError(f"cannot read {payload[1:]}: {error.strerror}") from None


def _json(text: bytes) -> Any:
    try:
        return msgspec.json.decode(text)
    except UNREADABLE as error:
        raise click.UsageError(f"the payload is not JSON: {error}") from None


def _see_through(job: JobHandle, action: str, as_json: bool) -> int:
    if sys.stderr.isatty():
        _show_progress(job, family=is_bulk(action))
    else:
        say(job.id, err=True)
        if is_bulk(action):
            follow(job)
    try:
        result = job.wait()
    except (JobFailed, JobCanceled) as error:
        if as_json:
            print_json(job.document)
        else:
            _print_family(job)
        raise CommandFailed(f"{error.message}; its log: {here('logs', job.id)}") from None
    if as_json:
        print_json(job.document)
    elif result is not None:
        print_json(result)
    elif found(job.document.get("status-message")) is not None:
        _print_family(job)
    else:
        say(f"{job.id} {in_short_of(job)}", err=True)
    return 0


def in_short_of(job: JobHandle) -> str:
    """How a job ended that has no result."""
    said = in_short(job.document.get("status-message"))
    return f"{job.document['state']}: {said}" if said else str(job.document["state"])


def _print_family(job: JobHandle) -> None:
    if (family := found(job.document.get("status-message"))) is not None:
        print_result(family)


def _show_progress(job: JobHandle, *, family: bool) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    state = [] if family else [TextColumn("{task.fields[state]}", markup=False, style="dim")]  # its counts tell
    columns = (
        TextColumn("{task.fields[action]}", markup=False),
        *state,
        BarColumn(20 if family else 40),
        TextColumn("{task.percentage:>3.0f}%", markup=False),
        TimeElapsedColumn(),
        TextColumn("{task.fields[message]}", markup=False),
    )
    console = Console(stderr=True)
    console.print(printable(job.id), style="dim", highlight=False, markup=False)
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=100, action=printable(job.action), state="", message="")
        for seen in job.changes():
            document = seen.document
            said = document.get("status-message")
            result = found(said)
            message = " ".join(str(said or "").split()) if result is None else counts(result)
            progress.update(
                task,
                completed=document.get("progress") or 0,
                state=str(document["state"]).lower(),
                message=printable(message)[: max(20, console.width - (50 if family else 80))],
            )
