"""``job-engine queue``"""

from collections.abc import Mapping, Sequence
from typing import Any

from job_engine.cli.options.shared import command, connecting, json_option
from job_engine.cli.screen import age, print_fields, print_json, print_table, say
from job_engine.client import Client


@command("queue")
@json_option
@connecting
def queue(client: Client, as_json: bool) -> None:
    """Show the queue: ready jobs by priority; with ZooKeeper also who has taken which, and what was repaired."""
    found = client.queue()
    if as_json:
        print_json(found)
        return
    print_fields(_summary(found))
    if found["depth"]:
        say("")
        print_table(("priority", "ready"), [(str(one["priority"]), str(one["count"])) for one in found["depth"]])
    if found.get("taken"):
        say("")
        print_table(
            ("taken", "since", "by", "job"),
            [(one["entry"], age(one["since"]), _by(one), one["job"]) for one in found["taken"]],
        )
    if found.get("strays"):
        say("")
        print_table(("left alone", "why"), [(one["entry"], one["why"]) for one in found["strays"]])
    if found.get("last"):
        say("")
        print_repairs(found["last"])


def _by(taken: Mapping[str, Any]) -> str:
    if not taken["member"]:
        return f"a stranger, session {taken['session']}"
    return f"{taken['name']} ({taken['member']})" if "name" in taken else str(taken["member"])


def print_repairs(repairs: Sequence[Mapping[str, Any]]) -> None:
    """Repairs, as a table."""
    print_table(
        ("repair", "when", "entry", "job", "why"),
        [(one["kind"], age(one["at"]), one.get("entry") or "", one.get("job") or "", one["why"]) for one in repairs],
    )


def _summary(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    ready = str(sum(one["count"] for one in found["depth"]))
    if found["zookeeper"] is None:
        return [("ready", ready), ("ZooKeeper", "not used: executors ask this server for jobs")]
    lines = [("ready", ready), ("ZooKeeper", found["zookeeper"])]
    if found["zookeeper"] == "connected":
        lines += [
            ("leader", found["leader"] or "none"),
            ("entries", f"{found['published']} (window {found['window']})"),
        ]
    if "trouble" in found:
        lines.append(("trouble", found["trouble"]))
    if found["waiting"] is not None:
        lines.append(("not put yet", str(found["waiting"])))
    repairs = ", ".join(f"{kind} {count}" for kind, count in found["repairs"].items())
    return [*lines, ("repairs", repairs or "none since the server's start")]
