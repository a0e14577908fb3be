"""A whole cluster, each part of which is killed, stopped and cut off, again and again; from a seed.

``CHAOS_SEED=N`` repeats a run; ``python -m tests.faults.cluster`` makes longer ones.
"""

import os
import random
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests import zookeeper
from tests.faults.cluster.fleet import SESSION, Fleet
from tests.faults.cluster.run import LONG, MIX, WRITING, Outcome, run

JOBS, FAULTS = 2000, 51
FEW_JOBS, FEW_FAULTS = 300, 10

pytestmark = pytest.mark.timeout(420)


def judged(
    folder: Path, jobs: int, faults: int, *special: str, session: float = SESSION, mix: Mapping[str, int] = MIX
) -> Outcome:
    if not zookeeper.available():
        pytest.fail("needs Java and Debian's package libzookeeper-java: ./dev test installs both")
    seed = int(os.environ.get("CHAOS_SEED", random.SystemRandom().randrange(10**6)))
    print(f"CHAOS_SEED={seed}")
    outcome = run(Fleet(folder, session), seed, jobs, faults, special, mix)
    print(outcome)
    assert not outcome.wrong, "\n".join(outcome.wrong[:20])
    assert outcome.ends["success"] == jobs
    assert sum(outcome.faults.values()) == faults + len(special)
    return outcome


def test_every_job_ends_once_and_no_older_attempt_writes_whatever_breaks(tmp_path: Path) -> None:
    outcome = judged(tmp_path, JOBS, FAULTS)
    assert outcome.ends["died"] + outcome.ends["lost"] + outcome.ends["stopped"] > 20, "the faults were felt"


def test_zookeeper_loses_its_disk_in_the_middle(tmp_path: Path) -> None:
    judged(tmp_path, FEW_JOBS, FEW_FAULTS, "zookeeper wiped")


def test_zookeeper_comes_back_with_an_old_copy_of_its_disk(tmp_path: Path) -> None:
    judged(tmp_path, FEW_JOBS, FEW_FAULTS, "zookeeper copied", "zookeeper put back")


@pytest.mark.parametrize(
    "how",
    [
        ("zookeeper wiped with the server",) * 2,
        ("zookeeper copied", "zookeeper put back with the server"),
    ],
)
def test_who_loses_its_member_with_the_disk_gives_its_jobs_back_before_they_are_taken_from_it(
    tmp_path: Path, how: tuple[str, ...]
) -> None:
    """Members vanish from the disk, whose executors live, work on and do not know yet: their holds are left alone until
    they have noticed. So nobody seems to have died."""
    outcome = judged(tmp_path, 80, 0, *how, session=4.0, mix=LONG)
    assert outcome.ends["died"] == 0


def test_entries_whose_take_was_not_answered_are_given_back_in_the_same_session(tmp_path: Path) -> None:
    """Else they would be taken for as long as that session lives."""
    judged(tmp_path, 800, 0, *["answers to takes eaten"] * 8, session=4.0, mix={"brief": 1})


def test_what_an_executor_says_of_its_jobs_arrives_when_others_run_them(tmp_path: Path) -> None:
    outcome = judged(tmp_path, 80, 0, *["link hangs until its jobs run again"] * 2, mix=WRITING)
    assert outcome.ends["died"] + outcome.ends["lost"] > 0
