"""What is done about each way in which queue and record can differ."""

import pytest

from job_engine.relay.compare import compare
from job_engine.store.publishing import Row

JOB, A, B = "job/x", "entry-005-0000000001", "entry-005-0000000002"
OTHER = "entry-006-0000000003"  # not in the place of this job


def row(state: str = "QUEUED", **more: object) -> Row:
    values = {
        "seq": 1, "id": JOB, "state": state, "waits": 0, "mode": "push", "holder": None, "attempt": 0, "entry": None,
        "priority": 5, "monitored": 0, "claimed": None,
    }  # fmt: skip
    return Row(**(values | more))


HELD = {"state": "RUNNING", "holder": "executor-00000000000000aa"}
CASES = {
    "it is as it should be": (row(entry=A), [A], [], []),
    "held, as it should be": (row(entry=A, **HELD), [A], [A], []),
    "held, its entry vanished": (row(entry=A, **HELD), [], [], []),
    "held by another way": (row(**HELD), [A], [], []),
    "ready, not published yet": (row(), [], [], []),
    "put, not noted": (row(), [A, B], [], [f"adopt {A}", f"remove-other {B}"]),
    "detached, not noted": (row("RUNNING"), [A], [], [f"adopt {A}"]),
    "another one is noted, and gone": (row(entry=B), [A], [], [f"adopt {A}"]),
    "vanished": (row(entry=A), [], [], [f"republish {A}"]),
    "detached, vanished": (row("RUNNING", entry=A), [], [], [f"republish {A}"]),
    "monitored, vanished": (row("RUNNING", entry=A, monitored=1), [], [], [f"forget {A}"]),
    "waiting, vanished": (row(entry=A, waits=1), [], [], [f"forget {A}"]),
    "final": (row("SUCCESS", entry=A), [A, B], [], [f"remove-final {A}", f"remove-final {B}"]),
    "final, being consumed": (row("SUCCESS", entry=A), [A], [A], []),
    "unknown": (None, [A], [], [f"remove-unknown {A}"]),
    "two": (row(entry=A), [A, B], [], [f"remove-other {B}"]),
    "two, the other one is taken": (row(entry=A), [A, B], [B], []),
    "held, and another": (row(entry=B, **HELD), [A], [], [f"remove-other {A}"]),
    "waits": (row(waits=1), [A], [], [f"remove-waiting {A}"]),
    "waits, and is noted": (row(entry=A, waits=2, mode="pull"), [A], [], [f"forget {A}", f"remove-waiting {A}"]),
    "waits, noted and taken": (row(entry=A, waits=2, mode="pull"), [A], [A], []),
    "monitored, still there": (row("RUNNING", entry=A, monitored=1), [A], [], [f"forget {A}", f"remove-waiting {A}"]),
    "run by an edge": (row("RUNNING", entry=A, mode="pull"), [A], [], [f"forget {A}", f"remove-waiting {A}"]),
    "edited": (row(entry=OTHER), [OTHER], [], [f"move {OTHER}"]),
    "edited, and taken": (row(entry=OTHER), [OTHER], [OTHER], ["unclaimed"]),
    "edited, and held": (row(entry=OTHER, **HELD), [OTHER], [OTHER], []),
    "edited while it waited": (row(entry=OTHER, waits=1), [OTHER], [], [f"forget {OTHER}", f"remove-waiting {OTHER}"]),
    "edited, and cleared": (row(), [OTHER], [], [f"remove-other {OTHER}"]),
    "edited, and put anew": (row(entry=A), [A, OTHER], [], [f"remove-other {OTHER}"]),
    "edited, put anew and not noted": (row(), [OTHER, A], [], [f"adopt {A}", f"remove-other {OTHER}"]),
    "edited, and what is noted is gone": (row(entry=A), [OTHER], [], [f"republish {A}", f"remove-other {OTHER}"]),
    "taken, not claimed": (row(entry=A), [A], [A], ["unclaimed"]),
    "taken by a stranger who runs it": (row("RUNNING", entry=A), [A], [A], ["unclaimed"]),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_it_is(case: str) -> None:
    known, names, taken, wanted = CASES[case]
    found = compare(dict.fromkeys(names, JOB), taken, {JOB: known} if known else {})
    said = [f"{item.repair.kind} {item.name}" for item in found.adoptions]
    said += [f"{item.repair.kind if item.repair else 'forget'} {item.entry}" for item in found.clearings]
    said += [f"{item.repair.kind} {item.name}" for item in found.removals]
    assert said + ["unclaimed"] * len(found.unclaimed) == wanted


def test_a_name_that_holds_another_job_is_not_the_one_that_is_noted() -> None:
    other = row(id="job/y", seq=2)
    found = compare({A: "job/y"}, [], {JOB: row(entry=A), "job/y": other})
    assert [item.row.id for item in found.clearings] == [JOB]
    assert [item.row.id for item in found.adoptions] == ["job/y"]
    found = compare({A: "job/y", B: JOB}, [], {JOB: row(entry=A), "job/y": other})
    assert {(item.row.id, item.name) for item in found.adoptions} == {("job/y", A), (JOB, B)}
