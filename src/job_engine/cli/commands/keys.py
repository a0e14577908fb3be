"""``job-engine keys``"""

import click

from job_engine.cli.options.roles import claims, roles_options
from job_engine.cli.options.shared import command, connecting, duration, json_option, option
from job_engine.cli.screen import age, print_json, print_table, say, say_empty
from job_engine.client import Client


@command("keys")
@click.argument("deed", type=click.Choice(["list", "add", "delete"]), default="list")
@click.argument("keys", metavar="[KEY]...", nargs=-1)
@option("--ttl", type=duration, metavar="TIME", help="add: how long it is good, such as 90d.  [default: for ever]")
@option("--name", metavar="NAME", help="add: what it is for.")
@roles_options
@json_option
@connecting
def keys(
    client: Client,
    deed: str,
    keys: tuple[str, ...],
    ttl: float | None,
    name: str | None,
    roles: tuple[str, ...],
    actions: tuple[str, ...],
    as_json: bool,
) -> None:
    """List API keys, which are credentials for machines and programs; make one, or delete some.

    \b
    job-engine keys
    job-engine keys add [--ttl 90d] [--name NAME]    its secret is shown once
    job-engine keys add --role executor              for an executor on another machine
    job-engine keys add --role submitter --action greet
    job-engine keys delete KEY                       its sessions end at once

    A key may do what the user may who made it, or with --role no more than that (see job-engine users --help). A key
    with a role owns the jobs that it adds.
    """
    if deed == "delete":
        if not keys:
            raise click.UsageError("name the keys to delete; job-engine keys lists them")
        for key in keys:
            client.delete_key(key)
            say(f"{key} deleted")
        return
    if keys:
        raise click.UsageError(f"{deed} takes no key; a name goes with --name")
    if deed == "add":
        made = client.add_key(ttl=ttl, name=name, roles=claims(roles, actions))
        if as_json:
            print_json(made)
            return
        say(f"JOB_ENGINE_API_KEY={made['key']}\nJOB_ENGINE_API_SECRET={made['secret']}")
        say("keep the secret: nobody can show it again", err=True)
        return
    found = client.keys()
    if as_json:
        print_json(found)
    elif not found:
        say_empty("no key; make one with: job-engine keys add")
    else:
        print_table(
            ("key", "name", "made", "expires"),
            [
                (key["id"], key.get("name", ""), f"{age(key['created'])} ago", age(key.get("expiry")) or "never")
                for key in found
            ],
        )
