"""``./dev fuzz``: rounds of the fuzz tests, with three times the examples and a seed each, until time is up."""

import argparse
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Final

TIMES: Final = 3
ALSO: Final = ("tests/unit/api/test_query.py", "tests/unit/api/test_bad_input.py", "tests/unit/api/test_filter.py")
"""Property tests of the unit tests: filters against the evaluator, documents, edits, parameters, paths."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="a round that has begun then is finished")
    parser.add_argument("--guided", metavar="FOLDER", help="has Atheris, for a quarter of the time")
    parser.add_argument("--seed", type=int, help="of the first round: what a round that failed has said")
    given = parser.parse_args()
    until = time.monotonic() + 60 * given.minutes
    if given.guided and (failed := _guided(given.guided, 15 * given.minutes)):
        return failed
    inputs: Counter[str] = Counter()
    checks: Counter[str] = Counter()
    seed, rounds = given.seed if given.seed is not None else secrets.randbelow(2**32), 0
    while True:
        rounds += 1
        failed = _round(seed, inputs, checks)
        print(f"\n{rounds} rounds; the last seed was {seed}")
        for name in sorted(inputs):
            print(f"  {name}: {inputs[name]:,} inputs, {checks[name]:,} checks")
        if failed or time.monotonic() > until:
            return failed
        seed = secrets.randbelow(2**32)


def _guided(atheris: str, seconds: float) -> int:
    """`guided.py`; it ends with another code than 0 at an input that raises, or takes 5 s, and leaves it in a file."""
    environ = {**os.environ, "PYTHONPATH": atheris}
    limits = [f"-max_total_time={seconds:.0f}", "-timeout=5", "-rss_limit_mb=2048", "-artifact_prefix=.dev/"]
    limits += ["-verbosity=0", "-print_final_stats=1"]
    return subprocess.run([sys.executable, str(Path(__file__).with_name("guided.py")), *limits], env=environ).returncode


def _round(seed: int, inputs: Counter[str], checks: Counter[str]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        counts = Path(folder) / "counts"
        environ = {**os.environ, "JOB_ENGINE_FUZZ_TIMES": str(TIMES), "JOB_ENGINE_FUZZ_COUNTS": str(counts)}
        command = ["-m", "pytest", "-p", "no:cacheprovider", "--timeout", "1800", f"--hypothesis-seed={seed}"]
        code = subprocess.run([sys.executable, *command, "tests/fuzz", *ALSO], env=environ).returncode
        for line in counts.read_text().splitlines() if counts.exists() else ():
            for name, (tried, checked) in json.loads(line).items():
                inputs[name] += tried
                checks[name] += checked
    return code


if __name__ == "__main__":
    sys.exit(main())
