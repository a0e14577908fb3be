"""``./dev bench cluster``: the whole path with ZooKeeper, ours and upstream's executors on one server, in turns."""

import argparse
from pathlib import Path
from statistics import median
from typing import Any

from kit.chain import chain_times
from kit.cluster import Cluster
from kit.load import p50_p99
from kit.measure import Budget, table
from kit.processes import Processes
from kit.run import Result, run, say

MILLION = 1_000_000
COUNTS = {1: (50, 20), 4: (80, 25)}
"""Executors, and the goal and minimum of ours against upstream's as many."""
LATENCY = {1: ((3, 6), (10, 30)), 4: ((5, 9), (15, 30))}
"""Executors, and the goal and minimum (ms) of p50 and p99 beyond the bare chain."""


def paths(cluster: Cluster, options: argparse.Namespace, figures: dict[str, Any]) -> list[Budget]:
    """The whole path, ours and upstream's, with as many executors, in turns."""
    for number in range(1, options.rounds + 1):
        for count in COUNTS:
            for kind in ("ours", "upstream"):
                data = cluster.filled(options.jobs)
                if kind == "ours":
                    rate = cluster.ours(data, options.jobs, count)
                else:
                    rate = cluster.upstreams(data, options.jobs, count, options.seconds)
                figures.setdefault(f"{kind}, {count} executors", []).append(rate)
                say(f"round {number} of {options.rounds}: {count} x {kind}: {rate:,.1f} jobs/s")
    return [
        Budget(
            f"whole path, {count} executors, ours / upstream's",
            median(figures[f"ours, {count} executors"]) / median(figures[f"upstream, {count} executors"]),
            *bounds,
        )
        for count, bounds in COUNTS.items()
    ]


def latencies(cluster: Cluster, folder: Path, options: argparse.Namespace, figures: dict[str, Any]) -> list[Budget]:
    """Starts on an idle cluster, beyond the bare chain."""
    for number in range(1, options.rounds + 1):
        floor = p50_p99(chain_times(folder, cluster.zookeeper.host, f"/chain-{number}", options.starts))
        figures.setdefault("bare chain", []).append(floor)
        (folder / "chain.db").unlink()
        for count in LATENCY:
            found = p50_p99(cluster.starts(count, options.starts))
            figures.setdefault(f"starts, {count} executors", []).append(found)
            say(f"round {number} of {options.rounds}: {count} idle: start p50 {found[0]:.1f} ms, chain {floor[0]:.1f}")
    floors = [median(values) for values in zip(*figures["bare chain"], strict=True)]
    budgets = []
    for count, bounds in LATENCY.items():
        found = [median(values) for values in zip(*figures[f"starts, {count} executors"], strict=True)]
        for name, value, floor, (goal, minimum) in zip(("p50", "p99"), found, floors, bounds, strict=True):
            what = f"start with {count} idle executors, beyond the bare chain, {name}"
            budgets.append(Budget(what, value - floor, goal, minimum, "ms", at_most=True))
    return budgets


def million(cluster: Cluster, options: argparse.Namespace, figures: dict[str, Any]) -> list[Budget]:
    """Through the window with a million waiting, against as many as are burnt."""
    say(f"adding {MILLION:,} jobs")
    full, first = cluster.filled(MILLION), 1
    few, many = figures.setdefault("few waiting", []), figures.setdefault("a million waiting", [])
    for number in range(1, options.rounds + 1):
        few.append(cluster.ours(cluster.filled(options.burn), options.burn, 4))
        many.append(cluster.ours(full, options.burn, 4, first))
        first += options.burn
        say(f"round {number} of {options.rounds}: {few[-1]:,.0f} jobs/s, with a million waiting {many[-1]:,.0f}")
    return [Budget("1,000,000 waiting / few", median(many) / median(few), 0.9, 0.7)]


def bench(options: argparse.Namespace, processes: Processes, folder: Path) -> Result:
    cluster = Cluster(processes, folder)
    figures: dict[str, Any] = {}
    budgets = paths(cluster, options, figures) + latencies(cluster, folder, options, figures)
    if options.million:
        budgets += million(cluster, options, figures)
    rows = [[name, *_shown(values)] for name, values in figures.items()]
    heads = ("medians", "jobs/s", "p50 ms", "p99 ms")
    text = f"{options.jobs:,} jobs wait when the executors start.\n\n{table(heads, rows)}"
    return Result(text=text, figures=figures, budgets=budgets)


def _shown(values: list[Any]) -> list[str]:
    if isinstance(values[0], tuple):
        return ["", *(f"{median(column):.2f}" for column in zip(*values, strict=True))]
    return [f"{median(values):,.1f}", "", ""]


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=10_000, help="that wait when the executors start")
    parser.add_argument("--seconds", type=float, default=15.0, help="that upstream's are measured for")
    parser.add_argument("--starts", type=int, default=200, help="jobs whose start latency is measured")
    parser.add_argument(
        "--million", action="store_true", help="also with a million waiting (adding them takes a minute)"
    )
    parser.add_argument("--burn", type=int, default=20_000, help="jobs that are burnt with a million waiting")


if __name__ == "__main__":
    run(__doc__, arguments, bench)
