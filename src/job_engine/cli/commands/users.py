"""``job-engine users``"""

import sys
from typing import Any

import click

from job_engine.cli.options.roles import claims, roles_options
from job_engine.cli.options.shared import command, connecting, json_option, option
from job_engine.cli.screen import age, print_json, print_table, say
from job_engine.client import Client

ADMIN = "group/nuvla-admin"
DEEDS = ["list", "add", "edit", "disable", "enable", "delete", "passwd", "sessions", "end-sessions"]


@command("users")
@click.argument("deed", type=click.Choice(DEEDS), default="list")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@option("--group", "groups", multiple=True, metavar="NAME", help="A group whose jobs the user sees; several times.")
@roles_options
@option("--admin", is_flag=True, help="Make the user an administrator.")
@json_option
@connecting
def users(
    client: Client,
    deed: str,
    names: tuple[str, ...],
    groups: tuple[str, ...],
    roles: tuple[str, ...],
    actions: tuple[str, ...],
    admin: bool,
    as_json: bool,
) -> None:
    """List users; add, edit, disable, enable or delete some, give one a new password, list or end sessions of some.

    \b
    job-engine users
    job-engine users add NAME [--group ops] [--role operator] [--admin]
    job-engine users edit NAME [--group ops] [--role viewer]     all that it may do is said anew
    job-engine users disable NAME      sessions end at once, keys are refused
    job-engine users enable NAME
    job-engine users delete NAME       with all keys; the jobs stay
    job-engine users passwd NAME        of others too, if you are an administrator
    job-engine users sessions NAME
    job-engine users end-sessions NAME  but the one that asks

    \b
    --role submitter --action NAME   adds jobs of these actions, and sees its own
    --role operator                  sees all jobs and logs; cancels, retries, pauses
    --role viewer                    sees all jobs, but no logs
    --role executor                  runs jobs and makes ticks, and nothing else

    A password is asked for, or is a line of the standard input; before it the old one, unless you are an administrator.
    """
    if deed == "list":
        found = [client.user(name) for name in names] if names else client.users()
        if as_json:
            print_json(found)
        else:
            _table(found)
        return
    if not names:
        raise click.UsageError(f"name the user to {deed}; job-engine users lists them")
    if deed in ("add", "passwd") and len(names) > 1:
        raise click.UsageError(f"{deed} takes one name: each has a password of its own")
    wanted = [f"group/{name.removeprefix('group/')}" for name in groups] + claims(roles, actions) + [ADMIN] * admin
    if deed == "add":
        client.add_user(names[0], _password(), groups=wanted)
        say(f"{names[0]} added")
        return
    ids = [client.user(name)["id"] for name in names]  # before anything is done: one may be mistyped
    if deed == "sessions":
        _show_sessions([session for id_ in ids for session in client.sessions(id_)], as_json)
        return
    for name, id_ in zip(names, ids, strict=True):
        if deed == "delete":
            client.delete_user(id_)
        elif deed == "edit":
            client.edit_user(id_, groups=wanted)
        elif deed == "passwd":
            old = {} if client.administrator else {"old-password": _password("Old password", twice=False)}
            client.edit_user(id_, password=_password(), **old)
        elif deed == "end-sessions":
            client.end_sessions(id_)
        else:
            client.edit_user(id_, state="DISABLED" if deed == "disable" else "ACTIVE")
        done = {
            "delete": "deleted",
            "edit": "edited",
            "passwd": "has a new password",
            "end-sessions": "has no other session",
        }.get(deed, f"{deed}d")
        say(f"{name} {done}")


def _password(prompt: str = "Password", *, twice: bool = True) -> str:
    """Asked for on a terminal, twice where nothing else checks it; elsewhere a line of the standard input."""
    if sys.stdin.isatty():
        return str(click.prompt(prompt, hide_input=True, confirmation_prompt=twice, err=True))
    return sys.stdin.readline().rstrip("\r\n")


def _show_sessions(found: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    rows = [
        (
            one["id"],
            one.get("made-with") or str(one.get("method", "")),
            str(one.get("client-ip", "")),
            f"{age(one['created'])} ago",
            "this one" if one["current"] else "",
        )
        for one in found
    ]
    print_table(("session", "by", "from", "made", ""), rows)


def _table(found: list[dict[str, Any]]) -> None:
    print_table(
        ("name", "state", "groups", "added"),
        [
            (
                str(user["name"]),
                str(user.get("state", "")),
                " ".join(group.removeprefix("group/") for group in user.get("groups", ())),
                f"{age(user['created'])} ago",
            )
            for user in found
        ],
    )
