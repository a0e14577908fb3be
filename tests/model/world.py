"""The world of the model as a value: the record and ZooKeeper, and what one transaction or one multi does to them.

A rule is a name in `RULES`, looked at in the one place where it matters; the tests show what goes wrong without it.
"""

from typing import NamedTuple

RULES = frozenset(
    {
        # ZooKeeper
        "member",  # a take, consume or release checks the member node of its session
        "compare takes",  # after a reconnect, before anything else: a take whose node is missing is forgotten
        "release unknown takes",  # a taken node of our session that we do not know is released
        "look before repeating",  # an unanswered consume or release is repeated only if the node is still that take's
        # the record
        "same again",  # a claim repeated by its holder is answered as before
        "claim detached",  # a job that runs without a holder is granted
        "leave watched",  # but not a bulk job that has been run and whose children are watched
        "fence",  # a finish or release counts only for the current attempt
        "eras",  # and for one that was claimed since the record was opened, or before its backup was made
        "give back",  # what a member holds that its executor neither runs nor claims is released
        "final",  # a final job never changes
        "foreign fence",  # a job that is held is not written without its attempt
        # the relay
        "publish",  # an entry that vanished is put again
        "publish detached",  # also that of a job that runs without a holder
        "ghosts",  # and one that was taken by who does not know it
        "end holds",  # the hold of a member that is gone ends
        "wait",  # but only when executors that lost their session with the server have passed their deadline
    }
)

Session = tuple[int, int]  # owner, generation
Node = tuple[int, Session, int]  # name, session, version
OURS, KAZOO, RELAY = (0, 1), 2, (3, 0)
NOBODY: Session = (-1, 0)
PUTS = 8
"""More than any of these worlds needs."""


class Job(NamedTuple):
    state: str = "queued"  # running, final
    holder: Session = NOBODY
    attempt: int = 0  # twice its number, and the era in which it was claimed
    entry: int = -1
    watched: bool = False  # a bulk job that has been run and waits for its children


class Taker(NamedTuple):
    session: Session
    late: bool = False  # its deadline has passed
    at: str = "idle"
    name: int = -1
    job: int = -1
    own: Session = NOBODY  # the session of this take
    attempt: int = 0
    compared: bool = True  # with the taken nodes, since it reconnected


class Disk(NamedTuple):
    """What ZooKeeper has."""

    sessions: frozenset[Session]
    entries: frozenset[tuple[int, int]] = frozenset()  # (name, job)
    taken: frozenset[Node] = frozenset()
    following: int = 0  # the next name


class World(NamedTuple):
    jobs: tuple[Job, ...]
    takers: tuple[Taker, ...]
    sessions: frozenset[Session]
    entries: frozenset[tuple[int, int]] = frozenset()
    taken: frozenset[Node] = frozenset()
    following: int = 0
    relay: tuple[str, int, int] = ("idle", -1, -1)  # at, job, name
    mail: frozenset[tuple[str, int, int, Session, int]] = frozenset()  # late calls: verb, job, name, session, attempt
    copy: Disk | None = None  # of ZooKeeper's disk
    backup: tuple[Job, ...] | None = None  # of the record
    era: int = 0  # 1: that was put back
    faults: int = 0


class Broken(Exception):
    """A guarantee does not hold."""


class Step(NamedTuple):
    label: str
    world: World
    fault: bool = False
    late: bool = False  # a late call arrives, or a copy is made: nothing may depend on it


def start(jobs: int, executors: int, kazoo: bool) -> World:
    assert executors == len(OURS) or not kazoo, "a taker's place is its number"
    owners = (*OURS, KAZOO) if kazoo else OURS[:executors]
    sessions = [(owner, 0) for owner in owners]
    return World((Job(),) * jobs, tuple(Taker(session) for session in sessions), frozenset(sessions))


def is_good(w: World) -> bool:
    """Every job is final and the queue is clean, but for what kazoo has taken and forgotten."""
    forgotten = {name for name, session, _ in w.taken if session[0] == KAZOO}
    return (
        all(job.state == "final" for job in w.jobs)
        and all(name in forgotten for name, _ in w.entries)
        and all(session[0] == KAZOO for _, session, _ in w.taken)
    )


def check(w: World) -> None:
    """Two of ours never both believe, before their deadlines, that they run one job; and no job is put for ever."""
    running = [
        t.job
        for t in w.takers
        if t.at == "run"
        and not t.late
        and t.session == t.own
        and t.session[0] in OURS
        # who was granted it in what is lost hears so in its next exchange
        and (t.attempt % 2 == w.era or t.attempt == w.jobs[t.job].attempt)
    ]
    if len(running) != len(set(running)):
        raise Broken("two of ours run one job")
    if w.following > PUTS:
        raise Broken("a job is put again and again")


# The record: each verb is one transaction; what the executor does about the entry after it, and the world.


def write(w: World, number: int, **changes: object) -> World:
    job = w.jobs[number]
    if job.state == "final":
        raise Broken("a final job changed")
    after = job._replace(**changes)  # type: ignore[arg-type]
    return w._replace(jobs=(*w.jobs[:number], after, *w.jobs[number + 1 :]))


def claim(w: World, rules: frozenset[str], number: int, name: int, session: Session) -> tuple[str, World]:
    job = w.jobs[number]
    if job.state == "final" and "final" in rules:
        return "consume", w
    if (job.holder, job.entry) == (session, name) and "same again" in rules:
        return "run", w
    if job.entry not in (-1, name):
        return "consume", w
    if job.holder != NOBODY:
        return "release", w
    if job.state == "running":
        if job.watched and "leave watched" in rules:
            return "consume", w
        if job.watched:
            raise Broken("a bulk job was run again while its children are watched")
        if "claim detached" not in rules:
            return "consume", w
    return "run", write(w, number, state="running", holder=session, attempt=next_attempt(w, job), entry=name)


def next_attempt(w: World, job: Job) -> int:
    """The next attempt: the numbers come back with a backup, the era does not."""
    return 2 * (job.attempt // 2 + 1) + w.era


def close(w: World, rules: frozenset[str], number: int, attempt: int, how: str) -> tuple[str, World]:
    """End an attempt, whoever says it: final, released (queued, with its entry), again (without), or detached."""
    job = w.jobs[number]
    if job.state == "final" and "final" in rules:
        return "consume", w
    same = job.attempt == attempt if "eras" in rules else job.attempt // 2 == attempt // 2
    if not same or job.holder == NOBODY:
        if "fence" in rules:
            return "release", w
        if not same:
            raise Broken("a write of an older attempt was accepted")
    if job.attempt != attempt:
        raise Broken("an attempt that was lost with a backup ended another one")
    if how == "released":
        return "release", write(w, number, state="queued", holder=NOBODY)
    state = {"final": "final", "again": "queued", "detached": "running"}[how]
    return "consume", write(w, number, state=state, holder=NOBODY, entry=-1, watched=how == "detached")


# ZooKeeper


def drop(w: World, rules: frozenset[str], t: Taker, consume: bool) -> World:
    """Our consume or release: one multi."""
    if t.own not in w.sessions and "member" in rules:
        return w
    node = next((node for node in w.taken if node[0] == t.name), None)
    if node is None or node[2] != 1:
        return w
    if node[1] != t.own and (node[1] in w.sessions or node[1] == RELAY):
        raise Broken("the taken node of another holder was removed")
    if consume and any(name == t.name and job != t.job for name, job in w.entries):
        raise Broken("the entry of another job was consumed")
    entries = without(w.entries, t.name) if consume else w.entries
    return w._replace(taken=w.taken - {node}, entries=entries)


def without(entries: frozenset[tuple[int, int]], name: int) -> frozenset[tuple[int, int]]:
    return frozenset(entry for entry in entries if entry[0] != name)


def free(w: World) -> set[int]:
    """Names of the entries that nobody has taken."""
    return {name for name, _ in w.entries} - {node[0] for node in w.taken}


def end(w: World, session: Session) -> World:
    return w._replace(sessions=w.sessions - {session}, taken=frozenset(node for node in w.taken if node[1] != session))


def restore(w: World) -> World:
    """The server is started again with the backup of its record."""
    assert w.backup is not None
    return end(w, RELAY)._replace(jobs=w.backup, backup=None, era=1, relay=("idle", -1, -1))


def put_back(w: World, disk: Disk) -> World:
    """ZooKeeper goes on with this disk: everybody reconnects, and the relay forgets what it had taken."""
    relay = w.relay if w.relay[0] in ("idle", "end", "clear", "put", "look", "note") else ("idle", -1, -1)
    return w._replace(
        takers=tuple(t._replace(compared=t.session not in disk.sessions) for t in w.takers),
        sessions=disk.sessions,
        entries=disk.entries,
        taken=disk.taken,
        following=disk.following,
        relay=relay,
    )
