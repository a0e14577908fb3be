"""``python -m tests.faults.cluster [--seed N] [--jobs N] [--faults N] [--runs N]``: the suite at any length."""

import argparse
import random
import shutil
import sys
import tempfile
from pathlib import Path

from tests.faults.cluster.fleet import SESSION, Fleet
from tests.faults.cluster.run import LONG, MIX, WRITING, run

SHOWN = 20
MIXES = {"all": MIX, "long": LONG, "writing": WRITING, "brief": {"brief": 1}}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.cluster", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--jobs", type=int, default=2000)
    parser.add_argument("--faults", type=int, default=51)
    parser.add_argument("--special", nargs="*", default=[], help="e.g. 'zookeeper wiped'")
    parser.add_argument("--session", type=float, default=SESSION, help="seconds of a ZooKeeper session, at most 4")
    parser.add_argument("--mix", choices=MIXES, default="all", help="of which jobs")
    parser.add_argument("--runs", type=int, default=1, help="so many seeds, from this one on")
    parser.add_argument("--keep", action="store_true", help="keep logs and record of a good run, too")
    options = parser.parse_args()
    bad = 0
    for seed in range(options.seed, options.seed + options.runs):
        folder = Path(tempfile.mkdtemp(prefix="job-engine-faults-"))
        outcome = run(
            Fleet(folder, options.session), seed, options.jobs, options.faults, options.special, MIXES[options.mix]
        )
        print(outcome, flush=True)
        for wrong in outcome.wrong[:SHOWN]:
            print("  wrong:", wrong)
        if outcome.wrong:
            bad += 1
            print(f"  {len(outcome.wrong)} in all; logs and record are in {folder}")
        elif options.keep:
            print(f"  logs and record are in {folder}")
        else:
            shutil.rmtree(folder)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
