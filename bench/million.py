"""``./dev bench million``: job-engine with a million waiting jobs, against an empty store, in turns in one run."""

import argparse
from statistics import median

from kit.engine import JobEngine
from kit.measure import Budget, table
from kit.run import Result, run, say

MANY = 8


def measure(engine: JobEngine, options: argparse.Namespace) -> Result:
    full = engine.new_data()
    rates: dict[str, list[float]] = {
        f"{what}, {store}": []
        for what in ("burn-down", "enqueue, 1 client", f"enqueue, {MANY} clients", "bulk of 1,000")
        for store in ("empty", "full")
    }

    def note(what: str, rate: float) -> None:
        rates[what].append(rate)
        say(f"{what}: {rate:,.0f}/s")

    with engine.server(full):
        say(f"adding {options.waiting:,} jobs")
        added = engine.clients(full).fill(options.waiting)
    for _ in range(options.rounds):
        for store, data in (("empty", engine.new_data()), ("full", full)):
            with engine.server(data):
                clients = engine.clients(data)
                note(f"enqueue, 1 client, {store}", clients.rate(1))
                note(f"enqueue, {MANY} clients, {store}", clients.rate(MANY))
                note(f"bulk of 1,000, {store}", clients.bulk_rate(1_000))
        note("burn-down, empty", engine.burn_down(options.jobs))
        note("burn-down, full", engine.burn(full, options.jobs))
    medians = {what: median(found) for what, found in rates.items()}
    rows = []
    for what in dict.fromkeys(name.rpartition(", ")[0] for name in medians):
        empty, million = medians[f"{what}, empty"], medians[f"{what}, full"]
        rows.append([what, f"{empty:,.0f}", f"{million:,.0f}", f"{million / empty:.2f}"])
    heads = ("medians, jobs/s", "empty store", f"{options.waiting:,} waiting", "ratio")
    ratio = medians["burn-down, full"] / medians["burn-down, empty"]
    return Result(
        text=f"{options.waiting:,} jobs were added at {added:,.0f}/s.\n\n{table(heads, rows)}",
        figures={"added_per_second": added, "rates": rates},
        budgets=[Budget(f"burn-down, {options.waiting:,} waiting / empty store", ratio, 0.9, 0.7)],
    )


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--waiting", type=int, default=1_000_000)
    parser.add_argument("--jobs", type=int, default=20_000, help="of a burn-down")


if __name__ == "__main__":
    run(__doc__, arguments, lambda options, processes, folder: measure(JobEngine(processes, folder), options))
