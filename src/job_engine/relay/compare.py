"""The differences between queue and record, and the repair of each. Pure.

The queue is read first, then the record: an entry whose job was read afterwards is judged by what is true now, or was
a moment ago; every repair looks once more, in the transaction or with the entry taken, before it changes anything.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from job_engine.queue.names import parse
from job_engine.relay.repairs import (
    ADOPT,
    GHOST,
    MOVE,
    REMOVE_FINAL,
    REMOVE_OTHER,
    REMOVE_UNKNOWN,
    REMOVE_WAITING,
    REPUBLISH,
    Repair,
)
from job_engine.store.publishing import Row


@dataclass(frozen=True, slots=True)
class Removal:
    """An entry that has to go: taken, looked at once more, consumed."""

    repair: Repair
    name: str


@dataclass(frozen=True, slots=True)
class Clearing:
    """An entry that the record is to forget, so that the job can be published anew, or because it need not be."""

    repair: Repair | None  # None: nothing is wrong with the queue
    row: Row
    entry: str


@dataclass(frozen=True, slots=True)
class Adoption:
    """An entry that the record is to note."""

    repair: Repair
    row: Row
    name: str


@dataclass(frozen=True, slots=True)
class Differences:
    """All differences between queue and record."""

    adoptions: list[Adoption] = field(default_factory=list)
    clearings: list[Clearing] = field(default_factory=list)
    removals: list[Removal] = field(default_factory=list)
    unclaimed: list[Row] = field(default_factory=list)  # no hold, and the entry is taken: ghosts, if that lasts


def compare(entries: Mapping[str, str], taken: Collection[str], rows: Mapping[str, Row]) -> Differences:
    """The differences between queue and record.

    Args:
        entries: name → job id, in the order of the queue.
        taken: names that somebody has taken; those are left to whoever has them.
        rows: by id, the jobs of all the entries, and all that have an entry noted and are not final.
    """
    diffs = Differences()
    names: defaultdict[str, list[str]] = defaultdict(list)
    for name, job in entries.items():
        names[job].append(name)
    for job, under in names.items():
        row = rows.get(job)
        if row is None:
            _remove(diffs, taken, under, REMOVE_UNKNOWN, job, "there is no such job")
        elif row.final:
            _remove(diffs, taken, under, REMOVE_FINAL, job, f"the job is {row.state}")
        elif row.entry in under:
            if row.ready and under == [row.entry] and row.entry not in taken and in_place(row, row.entry):
                continue  # nearly all of them
            _present(diffs, taken, row, under)
        elif row.held:
            if row.entry is not None:
                _remove(diffs, taken, under, REMOVE_OTHER, job, f"the job is held by {row.entry}")
        elif row.wanted:
            _absent(diffs, taken, row, under)
        else:
            if row.entry is not None:
                diffs.clearings.append(Clearing(None, row, row.entry))
            _remove(diffs, taken, under, REMOVE_WAITING, job, _waiting(row))
    for row in rows.values():
        if row.entry is not None and not row.final and not row.held and row.id not in names:
            why = "its entry vanished"
            repair = Repair(REPUBLISH, row.id, row.entry, why) if row.wanted else None
            diffs.clearings.append(Clearing(repair, row, row.entry))
    return diffs


def ghost(row: Row, since: float) -> Clearing:
    """The repair of a job whose entry is taken and that nobody claims."""
    why = f"its entry has been taken for {since:.0f} s without a claim"
    return Clearing(Repair(GHOST, row.id, row.entry, why), row, row.entry or "")


def in_place(row: Row, name: str) -> bool:
    """Whether an entry has the priority of its job: that may be edited."""
    place = parse(name)
    return place is not None and place.priority == row.priority


def _absent(diffs: Differences, taken: Collection[str], row: Row, under: list[str]) -> None:
    """Handle a job whose noted entry is missing, or that has none noted, and that has other entries."""
    name = next((name for name in under if in_place(row, name)), None)
    if name is None:
        if row.entry is not None:
            diffs.clearings.append(Clearing(Repair(REPUBLISH, row.id, row.entry, "its entry vanished"), row, row.entry))
        _remove(diffs, taken, under, REMOVE_OTHER, row.id, f"the job's priority is {row.priority}")
        return
    why = "its entry was not noted" if row.entry is None else f"its entry {row.entry} vanished"
    diffs.adoptions.append(Adoption(Repair(ADOPT, row.id, name, why), row, name))
    _remove(diffs, taken, [other for other in under if other != name], REMOVE_OTHER, row.id, f"the job has {name}")


def _present(diffs: Differences, taken: Collection[str], row: Row, under: list[str]) -> None:
    """Handle a job whose noted entry exists."""
    others = [name for name in under if name != row.entry]
    _remove(diffs, taken, others, REMOVE_OTHER, row.id, f"the job has {row.entry}")
    if row.entry is None or row.held:
        return
    if not row.wanted:
        if row.entry not in taken:
            diffs.clearings.append(Clearing(None, row, row.entry))
        _remove(diffs, taken, [row.entry], REMOVE_WAITING, row.id, _waiting(row))
    elif row.entry in taken:
        diffs.unclaimed.append(row)
    elif not in_place(row, row.entry):  # it goes as the entry of a job that has another one, once none is noted
        why = f"the job's priority is {row.priority}"
        diffs.clearings.append(Clearing(Repair(MOVE, row.id, row.entry, why), row, row.entry))


def _remove(diffs: Differences, taken: Collection[str], names: Collection[str], kind: str, job: str, why: str) -> None:
    diffs.removals.extend(Removal(Repair(kind, job, name, why), name) for name in names if name not in taken)


def _waiting(row: Row) -> str:
    if row.detached:
        return "the job runs without it"
    return "the job is to be pulled" if row.mode == "pull" else "the job is not ready"
