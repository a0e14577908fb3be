"""Worlds that differ only in numbers are one: sessions and attempts are renumbered, and our two executors are alike.

Within a trace they may so change places. Names of entries stay as they are, because they come back after a wipe.
"""

from tests.model.world import NOBODY, OURS, RELAY, Job, Session, Taker, World


def canonical(w: World) -> World:
    takers = w.takers
    swapped = len(takers) >= len(OURS) and _rank(takers[1]) < _rank(takers[0])
    sessions = _sessions(w, swapped)
    attempts = _attempts(w)
    if swapped:
        takers = (takers[1], takers[0], *takers[2:])
    at, job, last = w.relay

    def renumbered(jobs: tuple[Job, ...]) -> tuple[Job, ...]:
        return tuple(
            Job(state, sessions[holder], attempts[k][attempt], entry, watched)
            for k, (state, holder, attempt, entry, watched) in enumerate(jobs)
        )

    return World(
        renumbered(w.jobs),
        tuple(
            Taker(
                sessions[t.session],
                t.late,
                t.at,
                t.name,
                t.job,
                sessions[t.own],
                attempts[t.job][t.attempt],
                t.compared,
            )
            for t in takers
        ),
        frozenset([sessions[session] for session in w.sessions]),
        w.entries,
        frozenset([(name, sessions[session], version) for name, session, version in w.taken]),
        w.following,
        (at, job, attempts[job][last]) if at == "end" else w.relay,
        frozenset([(verb, job, name, sessions[session], attempts[job][n]) for verb, job, name, session, n in w.mail]),
        w.copy
        and w.copy._replace(
            sessions=frozenset([sessions[session] for session in w.copy.sessions]),
            taken=frozenset([(name, sessions[session], version) for name, session, version in w.copy.taken]),
        ),
        w.backup and renumbered(w.backup),
        w.era,
        w.faults,
    )


def _rank(t: Taker) -> tuple[object, ...]:
    return t.at, t.job, t.name, t.late, t.attempt, t.compared, t.own[1] - t.session[1], t.session[1]


def _sessions(w: World, swapped: bool) -> dict[Session, Session]:
    used = {t.session for t in w.takers} | {t.own for t in w.takers} | {job.holder for job in w.jobs} | w.sessions
    used.update([session for _, session, _ in w.taken])
    used.update([call[3] for call in w.mail])
    if w.copy is not None:
        used |= w.copy.sessions
        used.update([session for _, session, _ in w.copy.taken])
    if w.backup is not None:
        used.update([job.holder for job in w.backup])
    used -= {NOBODY, RELAY}
    renumbered = {NOBODY: NOBODY, RELAY: RELAY}
    counts: dict[int, int] = {}
    for session in sorted(used):
        owner, number = session[0], counts.get(session[0], 0)
        counts[owner] = number + 1
        renumbered[session] = (1 - owner if swapped and owner in OURS else owner, number)
    return renumbered


def _attempts(w: World) -> list[dict[int, int]]:
    """By job; the last is of no job. The numbers are renumbered, the eras stay."""
    used = [{0, job.attempt} for job in w.jobs] + [{0}]
    for k, job_then in enumerate(w.backup or ()):
        used[k].add(job_then.attempt)
    for t in w.takers:
        used[t.job].add(t.attempt)
    for _, job, _, _, attempt in w.mail:
        used[job].add(attempt)
    at, job, last = w.relay
    if at == "end":
        used[job].add(last)
    numbers = [sorted({attempt // 2 for attempt in some}) for some in used]
    return [
        {attempt: 2 * numbers[k].index(attempt // 2) + attempt % 2 for attempt in some} for k, some in enumerate(used)
    ]
