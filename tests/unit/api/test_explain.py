"""What an explanation says in a cluster; pure."""

from typing import Any

from job_engine.api.explain import Facts, explain

MEMBER, ENTRY = "executor-00000000000000aa", "entry-050-0000000007"


def told(state: str = "QUEUED", **known: Any) -> dict[str, Any]:
    document = {
        "id": "job/1", "state": state, "action": "noop", "execution-mode": "push", "progress": 5, "attempt": 2,
        "created": "2026-11-25T00:00:00.000Z",
    }  # fmt: skip
    facts = {
        "document": document, "holder": None, "claimed": None, "events": [], "ahead": 3, "able": ["ours"],
        "executors": 1, "now": 1.8e9, "cluster": True,
    }  # fmt: skip
    return explain(Facts(**facts | known))


def test_a_ready_job_is_in_the_queue_or_waits_for_the_window() -> None:
    published = told(entry=ENTRY)
    assert (published["condition"], published["entry"]) == ("ready", ENTRY)
    assert published["summary"].endswith(f"It is in the locking queue as {ENTRY}.")
    unpublished = told()
    assert "entry" not in unpublished
    assert "waits for its place in the locking queue's window: 3 ready jobs are ahead" in unpublished["summary"]
    assert "locking queue" not in told(cluster=False)["summary"]


def test_without_zookeeper_it_waits_for_that() -> None:
    away = told(connected=False)
    assert away["condition"] == "waiting"
    assert away["summary"] == "It waits for ZooKeeper (it is unreachable)."
    assert "ZooKeeper" not in str(told(cluster=False)["terms"])


def test_a_held_job_names_its_member_and_the_executor_if_it_is_heard_of() -> None:
    held = told("RUNNING", holder=MEMBER, claimed="2026-11-25T00:00:01.000Z", entry=ENTRY, runs_on=("0192", "alice"))
    assert (held["condition"], held["member"], held["holder"]) == ("held", MEMBER, "executor/0192")
    assert held["holder-name"] == "alice"
    assert held["summary"].startswith("It runs on executor alice (attempt 2)")
    assert held["summary"].endswith(f"held by its member {MEMBER} by the entry {ENTRY}.")
    silent = told("RUNNING", holder=MEMBER, claimed="2026-11-25T00:00:01.000Z", entry=ENTRY)
    assert "holder" not in silent
    assert "not heard of now" in silent["summary"]


def test_a_detached_job_says_where_its_entry_is() -> None:
    assert told("RUNNING")["summary"].endswith("without an executor of ours that holds it.")
    assert told("RUNNING", entry=ENTRY)["summary"].endswith(f"its entry in the locking queue is {ENTRY}.")


def test_an_action_that_nobody_of_ours_has_holds_nothing_back_until_it_was_lacked() -> None:
    unknown = told(able=[], entry=ENTRY)
    assert unknown["condition"] == "ready"
    assert unknown["terms"][-2]["detail"] == "0 of 1 executors alive have it; those of other kinds do not say"
    lacked = told(able=[], entry=ENTRY, fails_at=1.8e9)
    assert lacked["condition"] == "waiting"
    assert "it will be FAILED at 2027-01-15T08:00:00.000Z, unless one of another kind runs it" in lacked["summary"]
    nobody = told(able=[], executors=0, entry=ENTRY)
    assert (nobody["condition"], nobody["terms"][-2]["met"]) == ("waiting", False)
    who = "no executor of ours is alive; those of other kinds do not say"
    assert nobody["summary"] == f"It waits for an executor that has the action noop ({who})."
    broken = told(able=[], cluster=False, admin=True, failed_imports={"reports.py": "ImportError: no pandas"})
    assert "0 of 1 executors alive have it; reports.py does not load: ImportError: no pandas" in broken["summary"]
    embedded = told(able=[], cluster=False, fails_at=1.8e9)
    assert "it will be FAILED at 2027-01-15T08:00:00.000Z)" in embedded["summary"]
