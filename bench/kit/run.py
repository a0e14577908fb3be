"""What the benches have in common: arguments, a folder and processes until the end, and how results are told."""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn

from kit.environment import RUNS
from kit.measure import Budget, budgets, machine
from kit.processes import BenchError, Processes


@dataclass
class Result:
    """What a bench found."""

    text: str  # for people
    figures: dict[str, Any]  # for programs: every single value
    budgets: list[Budget]


def run(
    description: str | None,
    arguments: Callable[[argparse.ArgumentParser], None],
    measure: Callable[[argparse.Namespace, Processes, Path], Result],
) -> NoReturn:
    """Runs a bench as a program: prints what it found; exits with 0, or with a line that says why not."""
    parser = argparse.ArgumentParser(description=description)
    arguments(parser)
    parser.add_argument("--json", action="store_true", help="print every value as JSON")
    options = parser.parse_args()
    where = machine()
    RUNS.mkdir(parents=True, exist_ok=True)
    try:
        with TemporaryDirectory(dir=RUNS, ignore_cleanup_errors=True) as name, Processes(Path(name)) as processes:
            result = measure(options, processes, Path(name))
    except BenchError as error:
        sys.exit(f"bench: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    if options.json:
        asked = {name: value for name, value in vars(options).items() if name != "json"}
        verdicts = [budget.as_json() for budget in result.budgets]
        print(
            json.dumps({"machine": where, "options": asked, "figures": result.figures, "budgets": verdicts}, indent=2)
        )
    else:
        print(", ".join(f"{name} {value}" for name, value in where.items()))
        print(f"\n{result.text}\n\n{budgets(result.budgets)}")
    sys.exit(0)


def say(line: str) -> None:
    """Tells whoever waits how far it is."""
    print(f"bench: {line}", file=sys.stderr, flush=True)
