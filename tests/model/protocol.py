"""The cluster protocol in small: the record, ZooKeeper, executors, one of kazoo's, a relay, and what goes wrong.

Change the protocol here first. A world is a value; `steps` gives every step that anybody can make in it. A step is
one transaction of the record or one multi, so whatever can happen between two of them does happen in some order. A rule
is a name in `RULES`, looked at in the one place where it matters; `search.py` shows what goes wrong without it.

Left out: batches, priorities, pauses, several relays, the count of deaths, time but for its order (a session ends only
after its owner's deadline has passed). An unanswered call to ZooKeeper is done; one to the record is done at any later
time, or never. Second lines of defence are in it but are no rules, since nothing breaks without them in worlds this
small: the version of the taken node, the one entry of a claim, a deadline that stays passed until the job is told.
"""

from collections.abc import Iterator
from typing import NamedTuple

RULES = frozenset(
    {
        "member",  # a take, consume or release checks the member node of its session
        "release unknown takes",  # a taken node of our session that we do not know is released
        "look before repeating",  # an unanswered consume or release is repeated only if the node is still that take's
        "same again",  # a claim repeated by its holder is answered as before
        "fence",  # a finish or release counts only for the current attempt
        "final",  # a final job never changes
        "foreign fence",  # a job that is held is not written without its attempt
        "publish",  # an entry that vanished is put again
        "end holds",  # the hold of a member that is gone ends
        "wait",  # but only when executors that lost their session with the server have passed their deadline
    }
)

Session = tuple[int, int]  # owner, generation
OURS, KAZOO = (0, 1), 2
NOBODY: Session = (-1, 0)


class Job(NamedTuple):
    state: str = "queued"  # running, final
    holder: Session = NOBODY
    attempt: int = 0
    entry: int = -1


class Taker(NamedTuple):
    session: Session
    late: bool = False  # its deadline has passed
    at: str = "idle"
    name: int = -1
    job: int = -1
    own: Session = NOBODY  # the session of this take
    attempt: int = 0


class World(NamedTuple):
    jobs: tuple[Job, ...]
    takers: tuple[Taker, ...]
    sessions: frozenset[Session]
    entries: frozenset[tuple[int, int]] = frozenset()  # (name, job)
    taken: frozenset[tuple[int, Session, int]] = frozenset()  # (name, session, version)
    following: int = 0  # the next name
    relay: tuple[str, int, int] = ("idle", -1, -1)  # at, job, name
    mail: frozenset[tuple[str, int, int, Session, int]] = frozenset()  # late calls: verb, job, name, session, attempt
    faults: int = 0


class Broken(Exception):
    """A guarantee does not hold."""


class Step(NamedTuple):
    label: str
    world: World
    fault: bool = False
    late: bool = False  # a late call arrives: nothing may depend on it


def start(jobs: int, executors: int, kazoo: bool) -> World:
    assert executors == len(OURS) or not kazoo, "a taker's place is its number"
    owners = (*OURS, KAZOO) if kazoo else OURS[:executors]
    sessions = [(owner, 0) for owner in owners]
    return World((Job(),) * jobs, tuple(Taker(session) for session in sessions), frozenset(sessions))


def is_good(w: World) -> bool:
    """Every job is final and the queue is clean."""
    return all(job.state == "final" for job in w.jobs) and not w.entries and not w.taken


def check(w: World) -> None:
    """Two of ours never both believe, before their deadlines, that they run one job."""
    running = [t.job for t in w.takers if t.at == "run" and not t.late and t.session == t.own and t.session[0] in OURS]
    if len(running) != len(set(running)):
        raise Broken("two of ours run one job")


# The record: each verb is one transaction; what it answers, and the world after it.


def _write(w: World, number: int, **changes: object) -> World:
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
    return "run", _write(w, number, state="running", holder=session, attempt=job.attempt + 1, entry=name)


def close(w: World, rules: frozenset[str], number: int, attempt: int, state: str) -> tuple[str, World]:
    """Finish (state final) or release (queued) an attempt."""
    job = w.jobs[number]
    if job.state == "final" and "final" in rules:
        return "consume", w
    if job.attempt != attempt or job.holder == NOBODY:
        if "fence" in rules:
            return "release", w
        if job.attempt != attempt:
            raise Broken("a write of an older attempt was accepted")
    entry = -1 if state == "final" else job.entry
    return "consume" if state == "final" else "release", _write(w, number, state=state, holder=NOBODY, entry=entry)


# ZooKeeper


def _drop(w: World, rules: frozenset[str], t: Taker, consume: bool) -> World:
    """Our consume or release: one multi."""
    if t.own not in w.sessions and "member" in rules:
        return w
    node = next((node for node in w.taken if node[0] == t.name), None)
    if node is None or node[2] != 1:
        return w
    if node[1] != t.own and node[1] in w.sessions:
        raise Broken("the taken node of another holder was removed")
    if consume and any(name == t.name and job != t.job for name, job in w.entries):
        raise Broken("the entry of another job was consumed")
    entries = frozenset(entry for entry in w.entries if entry[0] != t.name) if consume else w.entries
    return w._replace(taken=w.taken - {node}, entries=entries)


def _end(w: World, session: Session) -> World:
    return w._replace(sessions=w.sessions - {session}, taken=frozenset(node for node in w.taken if node[1] != session))


# The steps


def steps(w: World, rules: frozenset[str], faults: frozenset[str], budget: int) -> Iterator[Step]:
    """Every step that is possible. Raises Broken when one breaks a guarantee."""
    can = faults if w.faults < budget else frozenset()
    for i, t in enumerate(w.takers):
        yield from _kazoo(w, rules, can, i, t) if t.session[0] == KAZOO else _ours(w, rules, can, i, t)
    yield from _relay(w, rules)
    for call in w.mail:
        verb, job, name, session, attempt = call
        rest = w._replace(mail=w.mail - {call})
        if verb == "claim":
            yield Step(f"a late claim of job {job} arrives", claim(rest, rules, job, name, session)[1], late=True)
        else:
            yield Step(f"a late finish of job {job} arrives", close(rest, rules, job, attempt, "final")[1], late=True)
    for session in w.sessions:
        owner = w.takers[session[0]]
        if owner.session != session or owner.late or (session[0] == KAZOO and "expire" in can):
            yield Step(f"session {session} ends", _end(w, session), fault=owner.session == session and not owner.late)
    for k in range(len(w.jobs)) if "twice" in can else ():
        entries = w.entries | {(w.following, k)}
        yield Step(f"somebody puts job {k} once more", w._replace(entries=entries, following=w.following + 1), True)
    if "wipe" in can:
        empty = frozenset[tuple[int, int]]()
        yield Step(
            "ZooKeeper is wiped", w._replace(sessions=frozenset(), entries=empty, taken=frozenset(), following=0), True
        )


def _ours(w: World, rules: frozenset[str], can: frozenset[str], i: int, t: Taker) -> Iterator[Step]:
    me, alive = f"executor {i}", t.session in w.sessions

    def to(after: World = w, **changes: object) -> World:
        taker = t._replace(**changes)  # type: ignore[arg-type]
        return after._replace(takers=(*after.takers[:i], taker, *after.takers[i + 1 :]))

    idle = {"at": "idle", "name": -1, "job": -1, "own": NOBODY, "attempt": 0}
    following = (i, t.session[1] + 1)
    if not alive:
        anew = w._replace(sessions=w.sessions | {following})
        yield Step(f"{me} connects in a new session", to(anew, session=following, late=False))
    if not t.late and (not alive or "late" in can):
        yield Step(f"{me} passes its deadline", to(late=True), fault=alive)
    if "crash" in can and alive:
        yield Step(f"{me} crashes", to(session=following, late=False, **idle), fault=True)

    if t.at == "idle" and alive:
        forgotten = [node for node in w.taken if node[1] == t.session]
        for node in forgotten:
            if "release unknown takes" in rules:
                yield Step(f"{me} releases {node[0]}, which it does not know", to(w._replace(taken=w.taken - {node})))
        if t.late and not forgotten:
            yield Step(f"{me} renews its deadline", to(late=False))
        for name in {name for name, _ in w.entries} - {node[0] for node in w.taken} if not t.late else ():
            job = dict(w.entries)[name]
            after = w._replace(taken=w.taken | {(name, t.session, 1)})
            yield Step(f"{me} takes {name}", to(after, at="took", name=name, job=job, own=t.session))
            if "zookeeper" in can:
                yield Step(f"{me} takes {name}, unanswered", to(after), fault=True)

    if t.at == "took":
        answer, after = claim(w, rules, t.job, t.name, t.own)
        attempt = after.jobs[t.job].attempt if answer == "run" else 0
        yield Step(f"{me} claims job {t.job}: {answer}", to(after, at=answer, attempt=attempt))
        if "record" in can:
            sent = w._replace(mail=w.mail | {("claim", t.job, t.name, t.own, 0)})
            yield Step(f"{me} claims job {t.job}, unanswered", to(sent), fault=True)
    if t.at == "run":
        answer, after = close(w, rules, t.job, t.attempt, "final")
        yield Step(f"{me} finishes job {t.job}: {answer}", to(after, at=answer))
        if "record" in can:
            sent = w._replace(mail=w.mail | {("finish", t.job, -1, t.own, t.attempt)})
            yield Step(f"{me} finishes job {t.job}, unanswered", to(sent), fault=True)
        if t.late or t.session != t.own:
            _, after = close(w, rules, t.job, t.attempt, "queued")
            yield Step(f"{me} interrupts and releases job {t.job}", to(after, at="release"))

    if t.at in ("consume", "release"):
        if t.session != t.own and "race" not in can:
            yield Step(f"{me} has lost {t.name} with its session", to(**idle))
        elif alive:  # race: a call of the old session that runs in the new one
            after = _drop(w, rules, t, t.at == "consume")
            race = t.session != t.own
            yield Step(f"{me} {t.at}s {t.name}", to(after, **idle), fault=race)
            if "zookeeper" in can and not race:
                yield Step(f"{me} {t.at}s {t.name}, unanswered", to(after, at=f"{t.at} again"), fault=True)
    if t.at.endswith(" again") and alive:
        is_ours = (t.name, t.own, 1) in w.taken or "look before repeating" not in rules
        yield Step(f"{me} looks at {t.name}", to(at=t.at.split()[0]) if is_ours else to(**idle))
    if t.at.endswith(" again") and not alive:
        yield Step(f"{me} has lost {t.name} with its session", to(**idle))


def _kazoo(w: World, rules: frozenset[str], can: frozenset[str], i: int, t: Taker) -> Iterator[Step]:
    """kazoo's recipe under upstream's executor: no guards, and it does not notice a new session."""

    def to(after: World = w, **changes: object) -> World:
        taker = t._replace(**changes)  # type: ignore[arg-type]
        return after._replace(takers=(*after.takers[:i], taker, *after.takers[i + 1 :]))

    if t.session not in w.sessions:
        following = (i, t.session[1] + 1)
        yield Step(
            "kazoo connects in a new session", to(w._replace(sessions=w.sessions | {following}), session=following)
        )
    elif t.at == "idle":
        for name in {name for name, _ in w.entries} - {node[0] for node in w.taken}:
            after = w._replace(taken=w.taken | {(name, t.session, 0)})
            yield Step(f"kazoo takes {name}", to(after, at="took", name=name, job=dict(w.entries)[name]))
    elif t.at in ("consume", "release"):
        node = next((node for node in w.taken if node[0] == t.name and node[1][0] == KAZOO), None)
        gone = (
            frozenset(entry for entry in w.entries if entry[0] != t.name) if t.at == "consume" and node else w.entries
        )
        after = w._replace(taken=w.taken - {node} if node else w.taken, entries=gone)
        yield Step(f"kazoo {t.at}s {t.name}", to(after, at="idle", name=-1, job=-1))
    if t.at in ("took", "run"):
        job, final = w.jobs[t.job], t.at == "run"
        if job.state == "final":
            yield Step("kazoo finds the job final", to(at="consume"))
        elif job.holder != NOBODY and "foreign fence" in rules:
            yield Step("kazoo is refused", to(at="release"))
        elif job.holder != NOBODY and final:
            raise Broken("a write without its attempt was accepted while another holds the job")
        elif final:
            yield Step("kazoo finishes", to(_write(w, t.job, state="final", entry=-1), at="consume"))
        else:
            after = _write(w, t.job, state="running", attempt=job.attempt + 1)
            yield Step("kazoo sets it RUNNING", to(after, at="run"))


def _relay(w: World, rules: frozenset[str]) -> Iterator[Step]:
    """One job at a time: it reads the queue and the record, and repairs what differs, in steps of their own."""
    at, number, name = w.relay

    def to(after: World, *relay: object) -> World:
        return after._replace(relay=(relay or ("idle", -1, -1)))  # type: ignore[arg-type]

    if at == "idle":
        for k, job in enumerate(w.jobs):
            names = sorted(name for name, of in w.entries if of == k)
            extra = [name for name in names if job.state == "final" or (name != job.entry and job.entry != -1)]
            if extra and extra[0] not in {node[0] for node in w.taken}:
                yield Step(f"the relay sees {extra[0]}, which names nothing to do", to(w, "remove", k, extra[0]))
            gone = job.holder != NOBODY and job.holder not in w.sessions
            unaware = any(t.session not in w.sessions and not t.late and t.session[0] in OURS for t in w.takers)
            if gone and "end holds" in rules and not (unaware and "wait" in rules):
                yield Step(f"the relay sees job {k} without its member", to(w, "end", k, job.attempt))
            if job.state != "final" and job.holder == NOBODY and job.entry not in names:
                if names and job.entry == -1:
                    yield Step(f"the relay adopts {names[0]} for job {k}", to(w, "note", k, names[0]))
                elif job.entry == -1 or "publish" in rules:
                    yield Step(f"the relay misses the entry of job {k}", to(w, "clear", k, job.entry))
        return
    job = w.jobs[number]
    if at == "end":
        same = job.attempt == name and job.holder != NOBODY
        yield Step(
            f"the relay ends the hold of job {number}",
            to(_write(w, number, state="queued", holder=NOBODY) if same else w),
        )
    elif at == "clear":
        same = job.state != "final" and job.holder == NOBODY and job.entry == name
        after = _write(w, number, entry=-1) if same else w
        yield Step(f"the relay clears the entry of job {number}", to(after, "put", number, -1) if same else to(after))
    elif at == "put":
        after = w._replace(entries=w.entries | {(w.following, number)}, following=w.following + 1)
        yield Step(f"the relay puts job {number} as {w.following}", to(after, "note", number, w.following))
    elif at == "note":
        free = job.state != "final" and job.holder == NOBODY and job.entry == -1
        yield Step(f"the relay notes {name} for job {number}", to(_write(w, number, entry=name) if free else w))
    elif at == "remove":  # take, read the record again, consume: nobody else can take it meanwhile
        wanted = job.state != "final" and job.entry in (-1, name)
        is_free = (name, number) in w.entries and name not in {node[0] for node in w.taken}
        after = w if wanted or not is_free else w._replace(entries=w.entries - {(name, number)})
        yield Step(f"the relay removes {name}", to(after))
