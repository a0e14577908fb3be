"""``job-engine executors``"""

from job_engine.cli.options.shared import command, connecting, json_option
from job_engine.cli.screen import length, print_json, print_table, say_empty
from job_engine.client import Client


@command("executors")
@json_option
@connecting
def executors(client: Client, as_json: bool) -> None:
    """List the executors that the engine knows; in a cluster also how ZooKeeper knows them."""
    found = client.executors()
    if as_json:
        print_json(found)
        return
    if not found:
        say_empty("no executor; start one with: job-engine executor")
        return
    member = any(executor.member for executor in found)
    print_table(
        ("name", *(("member",) if member else ()), "host", "pid", "version", "running", "slots", "actions", "heard"),
        [
            (
                executor.name or executor.id,
                *((executor.member,) if member else ()),
                executor.host,
                str(executor.pid),
                executor.version,
                str(executor.holds),
                str(executor.slots),
                _actions(len(executor.actions), len(executor.failed_imports)),
                "" if executor.heard is None else f"{length(executor.heard)} ago",
            )
            for executor in found
        ],
    )


def _actions(loaded: int, failed: int) -> str:
    return f"{loaded} ({failed} failed to import)" if failed else str(loaded)
