"""Distributions: what distributors report of them, their ticks, and what administrators have them do.

A tick is one transaction: its jobs, the mark that it was made, and the distribution's document. The mark is that of a
bulk add with a key, made of the distribution's name and the due time, so whoever repeats a tick adds nothing.
"""

import re
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from job_engine.api import acl, connections, named_jobs, resources
from job_engine.api.call import Call
from job_engine.api.connections import Rank
from job_engine.api.identity import Caller
from job_engine.api.jobs import answer_of_each, checked_each
from job_engine.api.responses import Json, Refused
from job_engine.job.document import NewJob
from job_engine.job.errors import Conflict, Invalid, NotFound
from job_engine.job.nodes import MANY_LIMIT
from job_engine.job.times import epoch, iso
from job_engine.store import jobs
from job_engine.store import resources as stored
from job_engine.store.jobs.add import KEY_KEPT
from job_engine.store.transaction import Transaction

Document = dict[str, Any]

TYPE: Final = "distribution"
REPORT: Final = "distribution/report"
"""Where distributors report."""
WAIT: Final = 20.0
"""Seconds that a report is parked at most: below what proxies and clients take for a dead connection."""
HEARD: Final = 15.0
"""Seconds after which it is noted again that a distribution is reported, though nothing else has changed."""
AHEAD: Final = 60.0
"""Seconds by which a distributor's clock may be ahead of the server's: more is an error that somebody has to mend."""
MANY: Final = 1000
"""Distributions in one report."""
PARTS: Final = 10_000
TEXT_LIMIT: Final = 1000
"""Characters of a text in a report; of a longer one the beginning is kept."""

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}", re.ASCII)
_MISSED: Final = ("skip", "once", "all")


# --------------------------------------------------------------------------------------------------------------- ticks


async def tick(call: Call) -> Json:
    """``POST /api/distribution/NAME/tick``: add the jobs of one due time, once."""
    acl.demand(call.caller.claims, TYPE, "add")
    call.demand_certificate()
    connections.rank(call.scope, Rank.EXECUTOR)
    sent = _object(await call.json(MANY_LIMIT))
    due, following = _time(sent.get("due"), "due"), sent.get("next-tick")
    part = sent.get("part", 0)
    if type(part) is not int or not 0 <= part < PARTS:
        raise _wrong("part", f"a whole number from 0 to {PARTS - 1}")
    documents = sent.get("jobs")
    if type(documents) is not list:
        raise _wrong("jobs", "a list of job documents")
    status = {
        "next-tick": None if following is None else _time(following, "next-tick"),
        "ticked-by": None if sent.get("distributor") is None else _text(sent["distributor"], "distributor"),
    }
    # a tick is in no caller's name: its jobs are the administrators', whoever makes it
    maker = call.caller if call.caller.admin else Caller(call.caller.maker, acl.ADMIN, frozenset({acl.ADMIN}))
    found = await checked_each(maker, documents, call.api.settings.quota)
    await named_jobs.demand_beside(call.api, maker, documents)
    added = await call.api.store.write(_tick, _named(call.id), due, part, found, status)
    return Json({**answer_of_each(found, added), "resource-id": call.id}, 201)


def _tick(
    tx: Transaction, name: str, due: str, part: int, found: Sequence[NewJob | Invalid], status: Document
) -> jobs.Added:
    key = f"tick {name} {due} {part}"  # the adds of clients have a principal in front, which is never this word
    document = stored.find(tx.connection, f"{TYPE}/{name}") or _new(tx, name)
    asked = due == document.get("run-at")
    if (first := jobs.added_before(tx, key)) is not None:
        if asked:
            stored.put(tx, {**_without(document, "run-at"), "updated": tx.iso})
        return jobs.Added(first[0], repeated=True)
    last, at = document.get("last-tick"), epoch(due)
    if at > tx.now + AHEAD:
        raise Invalid(
            f"attribute 'due' does not satisfy defined schema: {due} is {at - tx.now:.0f} s ahead of the server's"
            " clock; see that the clocks of both machines are right",
            "due",
        )
    run = asked or due == document.get("last-run")
    if not run and last is not None and due <= last and at < tx.now - KEY_KEPT:
        return jobs.Added([], repeated=True)  # so old that its mark may be gone
    if document["paused"] and not run and part == 0:
        raise Conflict(f"conflict with {TYPE}/{name}: it is paused")
    added = jobs.add_each(tx, [job for job in found if isinstance(job, NewJob)], key)
    changes: Document = {name: value for name, value in status.items() if value is not None}
    if run:
        document = _without(document, "run-at")
        changes["last-run"] = due
    elif last is None or due > last or epoch(last) > tx.now + AHEAD:
        changes["last-tick"] = due
    skipped = [refusal for refusal in added.refused.values() if refusal.active is not None]
    places = [number for number, job in enumerate(found, start=1) if isinstance(job, NewJob)]
    bad = {number: job for number, job in enumerate(found, start=1) if isinstance(job, Invalid)}
    bad |= {places[n]: refused.error for n, refused in added.refused.items() if isinstance(refused.error, Invalid)}
    if bad:
        place = min(bad)
        said = f"{len(bad)} of {len(found)} documents were refused; the first, job {place}: {bad[place].message}"
        changes["last-error"] = said[:TEXT_LIMIT]
    elif part == 0:
        document = _without(document, "last-error")
    changes["jobs-made"] = document["jobs-made"] + len(added.ids)
    changes["jobs-skipped"] = document["jobs-skipped"] + len(skipped)
    stored.put(tx, {**document, **changes, "updated": tx.iso})
    return added


# ------------------------------------------------------------------------------------------------------------- reports


async def post_to_one(call: Call) -> Json:
    """``POST /api/distribution/report``: what a distributor says of all its distributions; a long-poll."""
    if call.id != REPORT:
        raise Refused(405, f"invalid method (post) for {call.id}")
    acl.demand(call.caller.claims, TYPE, "add")
    call.demand_certificate()
    connections.rank(call.scope, Rank.EXECUTOR)  # of a distributor, which is as dear
    sent = _object(await call.json())
    _text(sent.get("distributor"), "distributor")
    wait = sent.get("wait", 0)
    if isinstance(wait, bool) or not isinstance(wait, int | float) or not wait >= 0:
        raise _wrong("wait", "a number of seconds")
    listed = sent.get("distributions")
    if type(listed) is not list or len(listed) > MANY:
        raise _wrong("distributions", f"a list of at most {MANY}")
    reports = [_report(item) for item in listed]
    known = [(item.get("paused", False), item.get("run-at")) for item in listed]
    deadline = time.monotonic() + min(wait, WAIT)
    with call.api.changes.of(TYPE) as watch:
        await call.api.store.write(_take_reports, reports)
        while True:
            watch.take()
            controls = await call.api.store.read(_controls, [report["name"] for report in reports])
            left = deadline - time.monotonic()
            if (
                known != [(control["paused"], control.get("run-at")) for control in controls]
                or left <= 0
                or watch.ended
            ):
                return Json({"distributions": controls})
            await watch.wait(left)


def _report(item: Any) -> Document:
    """The checked report of one distribution."""
    report = _object(item)
    name = report.get("name")
    if type(name) is not str or not _NAME.fullmatch(name):
        raise _wrong("name", "of 1 to 100 letters, digits, _ . -")
    checked: Document = {"name": name}
    for attribute, check in _REPORTED.items():
        if attribute in report:
            value = report[attribute]
            checked[attribute] = None if value is None else check(value, attribute)
    return checked


def _take_reports(tx: Transaction, reports: Sequence[Document]) -> None:
    for report in reports:
        old = stored.find(tx.connection, f"{TYPE}/{report['name']}")
        document = old or _new(tx, report["name"])
        new = {name: value for name, value in {**document, **report}.items() if value is not None}
        if new != old:
            stored.put(tx, {**new, "updated": tx.iso, "heard": tx.iso})
        elif tx.now - epoch(document["heard"]) > HEARD:
            stored.put(tx, {**new, "heard": tx.iso})


def _controls(connection: sqlite3.Connection, names: Sequence[str]) -> list[Document]:
    """What a distributor has to know of these distributions."""
    controls = []
    for name in names:
        document = stored.find(connection, f"{TYPE}/{name}") or {}
        control = {"name": name, "paused": document.get("paused", False)}
        for attribute in ("run-at", "last-tick"):
            if attribute in document:
                control[attribute] = document[attribute]
        controls.append(control)
    return controls


# ---------------------------------------------------------------------------------------------------------- operations


async def operate(call: Call) -> Json:
    """``POST /api/distribution/NAME/{pause,resume,run}``: the document as it is then; its distributors are told."""
    change = _OPERATIONS[call.scope["path"].rpartition("/")[2]]
    document = await call.api.store.write(_operate, call, change)
    call.api.changes.tell(TYPE)
    return Json(resources.shown(document, call.caller))


def _operate(tx: Transaction, call: Call, change: Callable[[Document, str], Document]) -> Document:
    document = resources.find(tx.connection, call.id, call.caller, "manage")
    changed = change(document, tx.iso)
    return stored.change(tx, call.id, changed) if changed else document


_OPERATIONS: Final[Mapping[str, Callable[[Document, str], Document]]] = {
    "pause": lambda document, now: {} if document["paused"] else {"paused": True},
    "resume": lambda document, now: {"paused": False} if document["paused"] else {},
    "run": lambda document, now: {} if "run-at" in document else {"run-at": now},
}


# ----------------------------------------------------------------------------------------------------------- documents


def _new(tx: Transaction, name: str) -> Document:
    return {
        "id": f"{TYPE}/{name}",
        "resource-type": TYPE,
        "name": name,
        "paused": False,
        "jobs-made": 0,
        "jobs-skipped": 0,
        "created": tx.iso,
        "updated": tx.iso,
        "heard": tx.iso,
        "acl": acl.owned_by(acl.ADMIN),
    }


def _without(document: Document, attribute: str) -> Document:
    return {name: value for name, value in document.items() if name != attribute}


def _named(id_: str) -> str:
    name = id_.partition("/")[2]
    if not _NAME.fullmatch(name):
        raise NotFound(f"{id_} not found")
    return name


def _object(value: Any) -> Document:
    if type(value) is not dict:
        raise Invalid("the body is not a JSON object, or has something else where one should be")
    return value


def _wrong(attribute: str, expected: str) -> Invalid:
    return Invalid(f"attribute {attribute!r} does not satisfy defined schema: it must be {expected}", attribute)


def _text(value: Any, attribute: str) -> str:
    if type(value) is not str or not value.strip():
        raise _wrong(attribute, "a text that is not blank")
    return value[:TEXT_LIMIT]


def _texts(value: Any, attribute: str) -> list[str]:
    if type(value) is not list or len(value) > MANY:
        raise _wrong(attribute, f"a list of at most {MANY} texts")
    return [_text(item, attribute) for item in value]


def _time(value: Any, attribute: str) -> str:
    try:
        return iso(epoch(_text(value, attribute)))
    except (Invalid, OverflowError, OSError, ValueError):
        raise _wrong(attribute, "a time such as 2026-11-24T23:05:01.042Z") from None


def _policy(value: Any, attribute: str) -> str:
    if value not in _MISSED:
        raise _wrong(attribute, f"one of {' '.join(_MISSED)}")
    return str(value)


_REPORTED: Final[Mapping[str, Callable[[Any, str], Any]]] = {
    "every": _text,
    "cron": _text,
    "timezone": _text,
    "missed": _policy,
    "description": _text,
    "leader": _text,
    "contenders": _texts,
    "next-tick": _time,
    "last-error": _text,
}
"""What a report may say of a distribution, beside its name and what its distributor knows."""
