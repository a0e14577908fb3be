"""Why a job is where it is: the terms of the model, each met or not, and one sentence. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from job_engine.job.states import State, is_final
from job_engine.job.times import epoch

AHEAD: Final = 1000
"""Ready jobs ahead that are counted: of more it is enough to know that there are more."""
DETACHED: Final = "detached"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a job and of who could run it."""

    document: dict[str, Any]
    holder: str | None
    claimed: str | None  # since when it is held
    events: Sequence[dict[str, Any]]  # oldest first
    ahead: int  # ready jobs that are claimed before it, at most `AHEAD`
    able: Sequence[str]  # executors alive that have its action
    executors: int  # executors alive
    now: float


def explain(facts: Facts) -> dict[str, Any]:
    """The explanation of a job as a document: ``state, summary, terms`` and what else helps."""
    document = facts.document
    terms = _terms(facts) if document["state"] == State.QUEUED else []
    last = facts.events[-1] if facts.events else None
    answer: dict[str, Any] = {
        "id": document["id"],
        "state": document["state"],
        "condition": _condition(facts, terms),
        "summary": _summary(facts, terms),
        "terms": [{"term": term.term, "met": term.met, "detail": term.detail} for term in terms],
        "attempt": document.get("attempt", 0),
        "failures": document.get("failures", 0),
        "deaths": document.get("deaths", 0),
    }
    if facts.holder is not None:
        answer["holder"] = f"executor/{facts.holder}"
    if last is not None:
        answer["last-event"] = last
    return answer


@dataclass(frozen=True, slots=True)
class Term:
    """One condition to run."""

    term: str
    met: bool
    detail: str
    otherwise: str = ""  # what a job waits for that does not meet it: "It waits ..."


def _terms(facts: Facts) -> list[Term]:
    document = facts.document
    not_before = document.get("not-before")
    past = not_before is None or epoch(not_before) <= facts.now
    mode = document["execution-mode"]
    action = document["action"]
    left = "" if not_before is None or past else f"in {_span(epoch(not_before) - facts.now)}"
    when = "none is set" if not_before is None else f"it is {not_before}" + (f", {left}" if left else "")
    how = f"it is {mode}" + ("; an edge fetches it" if mode == "pull" else "")
    who = (
        f"{len(facts.able)} of {facts.executors} executors alive have it" if facts.executors else "no executor is alive"
    )
    return [
        Term("state is QUEUED", True, f"added {document['created']}"),
        Term("not-before is past", past, when, f"until {not_before} ({left})"),
        Term("execution-mode is push or mixed", mode != "pull", how, "for an edge to fetch it (its mode is pull)"),
        Term(
            f"an executor has the action {action}",
            bool(facts.able),
            who,
            f"for an executor that has the action {action} ({who})",
        ),
    ]


def _condition(facts: Facts, terms: Sequence[Term]) -> str:
    """The derived state: ready, waiting, held, detached or final."""
    state = facts.document["state"]
    if is_final(state):
        return "final"
    if state == State.RUNNING:
        return "held" if facts.holder is not None else DETACHED
    return "ready" if all(term.met for term in terms) else "waiting"


def _summary(facts: Facts, terms: Sequence[Term]) -> str:
    document = facts.document
    state = document["state"]
    if is_final(state):
        message = (document.get("status-message") or "").strip().splitlines()
        said = f": {message[0][:200]}" if message else ""
        return f"It ended as {state} at {_ended(facts)}{said}"
    if state == State.RUNNING:
        attempt = f"attempt {document.get('attempt', 0)}"
        if facts.holder is None:
            return f"It runs detached ({attempt}), without an executor of ours that holds it."
        return f"It runs on executor {facts.holder} ({attempt}) since {facts.claimed}, at {document['progress']}%."
    failing = [term.otherwise for term in terms if not term.met]
    if failing:
        return f"It waits {', and '.join(failing)}."
    count = f"at least {AHEAD}" if facts.ahead >= AHEAD else str(facts.ahead)
    jobs = "job is" if facts.ahead == 1 else "jobs are"
    return f"It is ready, and runs as soon as a slot is free: {count} ready {jobs} ahead of it."


def _ended(facts: Facts) -> str:
    final = next((e for e in reversed(facts.events) if e["kind"] in ("success", "failed", "canceled")), None)
    return str(final["at"] if final else facts.document["updated"])


def _span(seconds: float) -> str:
    for length, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
