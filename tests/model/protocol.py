"""The cluster protocol in small: the record, ZooKeeper, executors, one of kazoo's, a relay, and what goes wrong.

Change the protocol here first. A world is a value; `steps` gives every step that anybody can make in it. A step is
one transaction of the record or one multi, so whatever can happen between two of them does happen in some order.
`search.py` tries every order, and shows what goes wrong without one of the rules in `world.py`.

Left out: batches, priorities, pauses, several relays, the count of deaths, actions that an executor lacks, time but for
its order (a session ends only after its owner's deadline has passed; an entry is taken for a ghost's only when its
owner does not know it). An unanswered call to ZooKeeper is done; one to the record is done at any later time, or
never. Second lines of defence are in it but are no rules, since nothing breaks without them in worlds this small: the
version of the taken node; the one entry of a claim; a deadline that stays passed until the job is told; a lost member's
holds that its executor releases before the relay ends them; that the relay adopts an entry instead of putting another,
notes a name only where none is, clears only the one that it read, removes an entry that names nothing to do before
anybody takes it, and looks at the record once more before it does.
"""

from collections.abc import Iterator

from tests.model.world import (
    KAZOO,
    NOBODY,
    OURS,
    RELAY,
    Broken,
    Disk,
    Step,
    Taker,
    World,
    claim,
    close,
    drop,
    end,
    free,
    next_attempt,
    put_back,
    restore,
    without,
    write,
)

FAULTS = {
    "zookeeper": "an answer of ZooKeeper is lost",
    "record": "an answer of the record is lost; the call is done late, or never",
    "away": "the record is away: an executor stops a job without it",
    "late": "an executor's deadline passes though it lives",
    "race": "a call of an ended session runs in the next one",
    "crash": "an executor dies",
    "relay": "the relay dies",
    "wipe": "ZooKeeper's disk is wiped",
    "disk": "ZooKeeper's disk is put back to an old copy",
    "restore": "a backup of the record is put back",
    "twice": "somebody puts a job twice",
    "again": "an attempt fails and is to be tried again",
    "detach": "a bulk job is run, and then waits for its children",
    "cancel": "somebody cancels a job",
    "move": "the priority of a job is edited: its entry is in the wrong place",
    "expire": "kazoo's session ends",
    "kazoo dies": "kazoo's process ends for good",
    "ghost": "the answer to kazoo's take is lost",
    "silent": "kazoo consumes the entry of a job that it has set RUNNING, and says nothing more",
}


def steps(w: World, rules: frozenset[str], faults: frozenset[str], budget: int) -> Iterator[Step]:
    """Every step that is possible. Raises Broken when one breaks a guarantee."""
    can = faults if w.faults < budget else frozenset()
    for i, t in enumerate(w.takers):
        yield from _kazoo(w, rules, can, i, t) if t.session[0] == KAZOO else _ours(w, rules, can, i, t)
    yield from _relay(w, rules, can)
    yield from _mail(w, rules)
    yield from _world(w, can)


def _mail(w: World, rules: frozenset[str]) -> Iterator[Step]:
    for call in w.mail:
        verb, job, name, session, attempt = call
        rest = w._replace(mail=w.mail - {call})
        if verb == "claim":
            yield Step(f"a late claim of job {job} arrives", claim(rest, rules, job, name, session)[1], late=True)
        else:
            after = close(rest, rules, job, attempt, verb)[1]
            yield Step(f"job {job} is late told {verb}", after, late=True)


def _world(w: World, can: frozenset[str]) -> Iterator[Step]:
    for session in w.sessions:
        owner = w.takers[session[0]]
        if owner.session != session or owner.late or (session[0] == KAZOO and "expire" in can):
            yield Step(f"session {session} ends", end(w, session), fault=owner.session == session and not owner.late)
    for k, job in enumerate(w.jobs):
        if job.watched and job.state == "running" and job.holder == NOBODY:
            yield Step(f"the children of job {k} have ended", write(w, k, state="final"))
        if "cancel" in can and job.state != "final":
            yield Step(f"somebody cancels job {k}", write(w, k, state="final", holder=NOBODY, entry=-1), fault=True)
        if "twice" in can:
            entries = w.entries | {(w.following, k)}
            yield Step(f"somebody puts job {k} once more", w._replace(entries=entries, following=w.following + 1), True)
    if "wipe" in can:
        yield Step("ZooKeeper is wiped", put_back(w, Disk(frozenset())), True)
    if "restore" in can and w.backup is None and not w.era:
        yield Step("a backup of the record is made", w._replace(backup=w.jobs), late=True)
    if "restore" in can and w.backup is not None:
        yield Step("the backup of the record is put back", restore(w), True)
    if "disk" in can and w.copy is None:
        copy = Disk(w.sessions, w.entries, frozenset(node for node in w.taken if node[1] != RELAY), w.following)
        yield Step("a copy of the disk is made", w._replace(copy=copy), late=True)
    if "disk" in can and w.copy is not None:
        yield Step("the copy of the disk is put back", put_back(w, w.copy)._replace(copy=None), True)


def _ours(w: World, rules: frozenset[str], can: frozenset[str], i: int, t: Taker) -> Iterator[Step]:
    me, alive = f"executor {i}", t.session in w.sessions

    def to(after: World = w, **changes: object) -> World:
        taker = t._replace(**changes)  # type: ignore[arg-type]
        return after._replace(takers=(*after.takers[:i], taker, *after.takers[i + 1 :]))

    idle = {"at": "idle", "name": -1, "job": -1, "own": NOBODY, "attempt": 0}
    following = (i, t.session[1] + 1)
    if not alive:
        anew = w._replace(sessions=w.sessions | {following})
        yield Step(f"{me} connects in a new session", to(anew, session=following, late=False, compared=True))
    if not t.late and (not alive or "late" in can):
        yield Step(f"{me} passes its deadline", to(late=True), fault=alive)
    if "crash" in can and alive:
        yield Step(f"{me} crashes", to(session=following, late=False, **idle), fault=True)
    for k, job in enumerate(w.jobs):
        if alive and job.holder == t.session and not (t.job == k and t.at in ("took", "run")) and "give back" in rules:
            after = close(w, rules, k, job.attempt, "released")[1]
            yield Step(f"{me} gives back job {k}, which it does not know", to(after))

    there = t.own != t.session or (t.name, t.own, 1) in w.taken
    connected = alive and (t.compared or "compare takes" not in rules)
    if alive and not connected and (there or t.at == "idle"):
        yield Step(f"{me} compares its takes", to(compared=True))
    elif alive and not connected:  # what runs has lost its take, as if with its session
        missing = {"own": NOBODY} if t.at == "run" else idle
        yield Step(f"{me} misses its take of {t.name}", to(compared=True, **missing))

    if t.at == "idle" and connected:
        yield from _takes(w, rules, can, t, me, to)
    if t.at == "took":
        answer, after = claim(w, rules, t.job, t.name, t.own)
        attempt = after.jobs[t.job].attempt if answer == "run" else 0
        yield Step(f"{me} claims job {t.job}: {answer}", to(after, at=answer, attempt=attempt))
        if "record" in can:
            sent = w._replace(mail=w.mail | {("claim", t.job, t.name, t.own, 0)})
            yield Step(f"{me} claims job {t.job}, unanswered", to(sent), fault=True)
            yield Step(f"{me} claims job {t.job}, unanswered, and gives up", to(sent, at="release"), fault=True)
    if t.at == "run":
        ways = ["final", *(["again"] if "again" in can else []), *(["detached"] if "detach" in can else [])]
        for how in ways:
            chosen = how != "final"
            answer, after = close(w, rules, t.job, t.attempt, how)
            yield Step(f"{me} says {how} of job {t.job}: {answer}", to(after, at=answer), fault=chosen)
            if "record" in can and not chosen:
                sent = w._replace(mail=w.mail | {(how, t.job, -1, t.own, t.attempt)})
                yield Step(f"{me} says {how} of job {t.job}, unanswered", to(sent), fault=True)
        if t.late or t.session != t.own:
            _, after = close(w, rules, t.job, t.attempt, "released")
            yield Step(f"{me} interrupts and releases job {t.job}", to(after, at="release"))
        if "away" in can:
            yield Step(f"{me} interrupts job {t.job}, and cannot say so", to(at="release"), fault=True)

    if t.at in ("consume", "release"):
        race = t.session != t.own  # a call of the old session that runs in the new one
        if race:
            yield Step(f"{me} has lost {t.name} with its session", to(**idle))
        if connected and (not race or "race" in can):
            after = drop(w, rules, t, t.at == "consume")
            yield Step(f"{me} {t.at}s {t.name}", to(after, **idle), fault=race)
            if "zookeeper" in can and not race:
                yield Step(f"{me} {t.at}s {t.name}, unanswered", to(after, at=f"{t.at} again"), fault=True)
    if t.at.endswith(" again") and connected:
        is_ours = (t.name, t.own, 1) in w.taken or "look before repeating" not in rules
        yield Step(f"{me} looks at {t.name}", to(at=t.at.split()[0]) if is_ours else to(**idle))
    if t.at.endswith(" again") and not alive:
        yield Step(f"{me} has lost {t.name} with its session", to(**idle))


def _takes(w: World, rules: frozenset[str], can: frozenset[str], t: Taker, me: str, to) -> Iterator[Step]:
    forgotten = [node for node in w.taken if node[1] == t.session]
    for node in forgotten:
        if "release unknown takes" in rules:
            yield Step(f"{me} releases {node[0]}, which it does not know", to(w._replace(taken=w.taken - {node})))
    if t.late and not forgotten:
        yield Step(f"{me} renews its deadline", to(late=False))
    for name in free(w) if not t.late else ():
        after = w._replace(taken=w.taken | {(name, t.session, 1)})
        yield Step(f"{me} takes {name}", to(after, at="took", name=name, job=dict(w.entries)[name], own=t.session))
        if "zookeeper" in can:
            yield Step(f"{me} takes {name}, unanswered", to(after), fault=True)


def _kazoo(w: World, rules: frozenset[str], can: frozenset[str], i: int, t: Taker) -> Iterator[Step]:
    """kazoo's recipe under upstream's executor: no guards, and it does not notice a new session."""
    if t.at == "dead":
        return

    def to(after: World = w, **changes: object) -> World:
        taker = t._replace(**changes)  # type: ignore[arg-type]
        return after._replace(takers=(*after.takers[:i], taker, *after.takers[i + 1 :]))

    if "kazoo dies" in can:
        yield Step("kazoo dies", to(end(w, t.session), at="dead", name=-1, job=-1), True)
    if t.session not in w.sessions:
        following = (i, t.session[1] + 1)
        anew = w._replace(sessions=w.sessions | {following})
        yield Step("kazoo connects in a new session", to(anew, session=following))
    elif t.at == "idle":
        for name in free(w):
            after = w._replace(taken=w.taken | {(name, t.session, 0)})
            yield Step(f"kazoo takes {name}", to(after, at="took", name=name, job=dict(w.entries)[name]))
            if "ghost" in can:
                yield Step(f"kazoo takes {name}, unanswered", to(after), True)
    elif t.at in ("consume", "release"):
        node = next((node for node in w.taken if node[0] == t.name and node[1][0] == KAZOO), None)
        gone = without(w.entries, t.name) if t.at == "consume" and node else w.entries
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
            yield Step("kazoo finishes", to(write(w, t.job, state="final", entry=-1), at="consume"))
            if "silent" in can:
                yield Step("kazoo consumes without a word", to(at="consume"), True)
        else:
            after = write(w, t.job, state="running", attempt=next_attempt(w, job))
            yield Step("kazoo sets it RUNNING", to(after, at="run"))


def _knows(w: World, name: int) -> bool:
    """Whether the entry is free, or taken by who knows it."""
    owner = next((session for taken, session, _ in w.taken if taken == name), NOBODY)
    return owner[0] not in (*OURS, KAZOO) or w.takers[owner[0]].name == name


def _relay(w: World, rules: frozenset[str], can: frozenset[str]) -> Iterator[Step]:
    """One job at a time: it reads the queue and the record, and repairs what differs, in steps of their own."""
    at, number, name = w.relay

    def to(after: World, *relay: object) -> World:
        return after._replace(relay=(relay or ("idle", -1, -1)))  # type: ignore[arg-type]

    if at == "idle":
        yield from _relay_looks(w, rules, can, to)
        return
    if "relay" in can:
        yield Step("the relay dies, and another begins", to(end(w, RELAY)), True)
    job = w.jobs[number]
    if at == "end":
        same = job.attempt == name and job.holder != NOBODY
        after = write(w, number, state="queued", holder=NOBODY) if same else w
        yield Step(f"the relay ends the hold of job {number}", to(after))
    elif at == "clear":
        same = job.state != "final" and job.holder == NOBODY and job.entry == name
        after = write(w, number, entry=-1) if same else w
        yield Step(f"the relay clears the entry of job {number}", to(after, "put", number, -1) if same else to(after))
    elif at == "put":
        after = w._replace(entries=w.entries | {(w.following, number)}, following=w.following + 1)
        yield Step(f"the relay puts job {number} as {w.following}", to(after, "note", number, w.following))
        if "zookeeper" in can:
            yield Step(f"the relay puts job {number}, unanswered", to(after, "look", number, -1), True)
    elif at == "look":
        found = [name for name, of in w.entries if of == number]
        after = to(w, "note", number, min(found)) if found else to(w, "put", number, -1)
        yield Step(f"the relay looks for job {number}", after)
    elif at == "note":
        noted = job.state != "final" and job.holder == NOBODY and job.entry == -1
        yield Step(f"the relay notes {name} for job {number}", to(write(w, number, entry=name) if noted else w))
    elif at == "remove":
        is_free = (name, number) in w.entries and name in free(w)
        after = w._replace(taken=w.taken | {(name, RELAY, 1)})
        yield Step(f"the relay takes {name} to remove it", to(after, "taken", number, name) if is_free else to(w))
        if is_free and "move" in can:  # whether it is in the wrong place is looked at then
            yield Step(f"the relay takes {name}, which is in the wrong place", to(after, "moved", number, name), True)
    elif at in ("taken", "moved"):
        wanted = job.state != "final" and (job.entry == name or (job.entry == -1 and at == "taken"))
        after = w._replace(
            taken=w.taken - {(name, RELAY, 1)}, entries=w.entries if wanted else without(w.entries, name)
        )
        yield Step(f"the relay {'releases' if wanted else 'consumes'} {name}", to(after))


def _relay_looks(w: World, rules: frozenset[str], can: frozenset[str], to) -> Iterator[Step]:
    for k, job in enumerate(w.jobs):
        names = sorted(name for name, of in w.entries if of == k)
        misplaced = "move" in can and job.holder == NOBODY and job.entry == -1
        extra = [name for name in names if job.state == "final" or misplaced or job.entry not in (name, -1)]
        for name in extra:
            if name in free(w):
                yield Step(f"the relay sees {name}, which names nothing to do", to(w, "remove", k, name))
        gone = job.holder != NOBODY and job.holder not in w.sessions
        unaware = any(t.session not in w.sessions and not t.late and t.session[0] in OURS for t in w.takers)
        if gone and "end holds" in rules and not (unaware and "wait" in rules):
            yield Step(f"the relay sees job {k} without its member", to(w, "end", k, job.attempt))
        if job.state == "final" or job.holder != NOBODY or (job.watched and job.state == "running"):
            continue
        if job.state == "running" and "publish detached" not in rules:
            continue
        if job.entry in names:
            if "ghosts" in rules and not _knows(w, job.entry):
                yield Step(f"the relay sees that who took {job.entry} does not know it", to(w, "clear", k, job.entry))
            if "move" in can and job.entry in free(w):
                yield Step(f"the relay sees {job.entry} in the wrong place", to(w, "clear", k, job.entry), True)
        elif names and job.entry == -1:
            yield Step(f"the relay adopts {names[0]} for job {k}", to(w, "note", k, names[0]))
        elif job.entry == -1 or "publish" in rules:
            yield Step(f"the relay misses the entry of job {k}", to(w, "clear", k, job.entry))
