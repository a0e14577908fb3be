"""A run: jobs are added and faults inflicted in step, then all is healed, drained and judged."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from kazoo.exceptions import KazooException
from kazoo.handlers.threading import KazooTimeoutError

from job_engine.client.responses import Event
from job_engine.job.errors import JobEngineError
from tests.faults.cluster import judge, witness
from tests.faults.cluster.faults import Fault, Faults, drawn
from tests.faults.cluster.fleet import CLIENT, Fleet
from tests.integration.engine_processes import until

MIX: Final = {
    "brief": 49, "saving": 20, "lasting": 14, "longest": 2, "rewriting": 1, "editing": 4, "deaf": 4, "hogging": 2,
    "flaky": 4,
}  # fmt: skip
"""Of 100 jobs, how many are which."""
LONG: Final = {"longest": 2, "lasting": 1}
"""The same for a run in which the executors always have something that they can lose."""
WRITING: Final = {"longest": 1, "rewriting": 1}
"""The same for one in which there is always something on its way to the server."""
POISONED: Final = 2
"""Jobs of a run that kill each process that runs them."""
PATIENCE: Final = 3.0
"""Seconds after which a fault comes though the jobs before it have not ended."""
DRAINED: Final = 45.0
"""Seconds for all that is left once everything is healed: less than the relay needs to give an entry up that one of our
executors forgot to give back."""
LOOK: Final = 0.02
Batch = list[tuple[str, str, int, int]]
"""Jobs that are added with one key each: the key, the kind, how many, their priority."""
TELLTALE: Final = ("Traceback (most recent call last)", "an operation on the record failed", ": ghost: ")
"""What no program of ours writes into its log, whatever is done to it."""


@dataclass
class Outcome:
    """How a run went."""

    seed: int
    wrong: list[str]
    jobs: int
    faults: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    overlaps: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        faults = ", ".join(f"{count} x {kind}" for kind, count in self.faults.most_common())
        longest = max(self.overlaps, default=0.0)
        return (
            f"seed {self.seed}: {self.jobs} jobs and {sum(self.faults.values())} faults in {self.seconds:.0f} s"
            f" ({faults}); attempts ended {dict(self.ends)}; {len(self.overlaps)} attempts worked on after a later one"
            f" had begun, for {longest:.1f} s at most"
        )


class Adder:
    """Adds batches, each once, however often the server or the way to it breaks."""

    def __init__(self, fleet: Fleet) -> None:
        self.kinds: dict[str, str] = {}
        self._client = fleet.client(f"{CLIENT} api")
        self._payload = {"folder": str(fleet.folder)}
        self._wanted: list[Batch] = []
        self._more = threading.Condition()
        self._closed = False
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="adder", daemon=True)
        self._thread.start()

    def add(self, batch: Batch) -> None:
        """Soon, and in this order."""
        with self._more:
            self._wanted.append(batch)
            self._more.notify()

    def finish(self) -> None:
        """Wait until all is added."""
        with self._more:
            self._closed = True
            self._more.notify()
        self._thread.join(DRAINED)
        assert not self._thread.is_alive(), "the jobs could not be added"
        if self.failure is not None:
            raise self.failure

    def _run(self) -> None:
        try:
            while True:
                with self._more:
                    self._more.wait_for(lambda: self._wanted or self._closed)
                    if not self._wanted:
                        return
                    batch = self._wanted.pop(0)
                for key, kind, count, priority in batch:
                    self._add(key, kind, count, priority)
        except BaseException as error:
            self.failure = error

    def _add(self, key: str, kind: str, count: int, priority: int) -> None:
        give_up = time.monotonic() + DRAINED
        while True:
            try:
                added = self._client.submit_many(kind, [self._payload] * count, key=key, priority=priority)
            except JobEngineError:
                if time.monotonic() > give_up:
                    raise
                continue
            assert len(added) == count, (kind, added)
            assert not self.kinds.keys() & {job.id for job in added}, "an id was given twice"
            self.kinds |= {job.id: kind for job in added}
            return


class Notes:
    """The actions' notes, read as they are written."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "notes"
        self._read = 0
        self._rest = ""
        self.lines: list[str] = []
        self.ended: set[str] = set()

    def look(self) -> int:
        """How many jobs have come to the end of their action."""
        if self._path.exists():
            with self._path.open() as file:
                file.seek(self._read)
                new = file.read()
            self._read += len(new)
            *lines, self._rest = (self._rest + new).split("\n")
            self.lines += lines
            self.ended |= {line.split(" ", 2)[1] for line in lines if line.startswith("end ")}
        return len(self.ended)


def run(
    fleet: Fleet, seed: int, jobs: int, faults: int, special: Sequence[str] = (), mix: Mapping[str, int] = MIX
) -> Outcome:
    """One run of a new fleet; what was wrong is told, and not raised.

    Args:
        faults: how many are drawn; without any there is no poison either.
        special: further ones, spread among them.
    """
    try:
        fleet.start()
        witness.begin(fleet.record)
        plan = drawn(seed, faults, special)
        batches = _batches(seed, jobs, len(plan), mix, POISONED if faults else 0)
        return _run(fleet, seed, batches, plan)
    finally:
        fleet.close()


def _run(fleet: Fleet, seed: int, batches: Sequence[Batch], plan: Sequence[Fault]) -> Outcome:
    began = time.monotonic()
    adder, notes, breaker = Adder(fleet), Notes(fleet.folder), Faults(fleet)
    inflicted = Counter[str]()
    with (fleet.folder / "faults.log").open("w") as log:
        for batch, fault in zip(batches, plan, strict=True):
            before = notes.look()
            adder.add(batch)
            _come_so_far(notes, breaker, before + fault.gap)
            until(lambda fault=fault: _inflicted(breaker, fault), f"somebody for: {fault}")
            inflicted[fault.kind] += 1
            print(f"{time.time():.3f} {notes.look()} ended: {fault}", file=log, flush=True)
        breaker.heal(everything=True)
        print(f"{time.time():.3f} healed", file=log, flush=True)
    until(lambda: breaker.healed(), "who was told to stop", DRAINED)
    adder.finish()
    wrong = _drain(fleet, len(adder.kinds))
    seconds = time.monotonic() - began
    outcome = Outcome(seed, wrong, len(adder.kinds), inflicted, seconds=seconds)
    wanted = sum(count for batch in batches for _, _, count, _ in batch)
    if len(adder.kinds) != wanted:
        wrong.append(f"added were {len(adder.kinds)}, and not {wanted}")
    notes.look()
    _judge(fleet, adder.kinds, notes, outcome)
    return outcome


def _batches(seed: int, jobs: int, count: int, mix: Mapping[str, int], poison: int) -> list[Batch]:
    """Jobs for each fault, together so many, and the poison; a few requests each."""
    dice = random.Random(f"jobs {seed}")
    kinds = dice.choices(list(mix), weights=list(mix.values()), k=jobs)
    poisoned = set(dice.sample(range(count), poison))
    batches = []
    for n in range(count):
        part = Counter(kinds[n * jobs // count : (n + 1) * jobs // count])
        if n in poisoned:
            part["poison"] = 1
        batches.append([(f"{n} {kind}", kind, much, dice.choice((50, 100, 999))) for kind, much in part.items()])
    return batches


def _come_so_far(notes: Notes, breaker: Faults, ended: int) -> None:
    """Until so many jobs have ended, or patience has."""
    end = time.monotonic() + PATIENCE
    while notes.look() < ended and time.monotonic() < end:
        breaker.heal()
        time.sleep(LOOK)


def _inflicted(breaker: Faults, fault: Fault) -> bool:
    breaker.heal()
    return breaker.inflict(fault)


def _drain(fleet: Fleet, jobs: int) -> list[str]:
    """Wait until everything has ended, in the record and in the queue; what does not."""
    wrong: list[str] = []
    client = fleet.client()
    for what, condition in (
        ("the server", fleet.serves),
        ("ZooKeeper", fleet.zookeeper.serves),
        ("every executor", lambda: all(executor.ready for executor in fleet.executors)),
        ("the end of every job", lambda: not client.count("state='QUEUED' or state='RUNNING'")),
        ("an empty queue", lambda: not any(fleet.queue().values())),
        ("nothing to repair", lambda: not client.reconcile(dry_run=True)),
    ):
        try:
            until(partial(_answered, condition), what, DRAINED)
        except AssertionError as error:
            wrong.append(f"{error}: {_left(fleet)}")
            break
    if (count := client.count()) != jobs:
        wrong.append(f"the record has {count} jobs, and {jobs} were added")
    return wrong


def _answered(condition: Callable[[], bool]) -> bool:
    """The condition; false when who would know it is not back yet."""
    try:
        return condition()
    except (JobEngineError, KazooException, KazooTimeoutError):
        return False


def _left(fleet: Fleet) -> Any:
    client = fleet.client()
    left = {folder: f"{len(names)}, e.g. {names[:3]}" for folder, names in fleet.queue().items()}
    jobs = client.jobs("state='QUEUED' or state='RUNNING'", last=3)
    return left, [(job.id, client.explain(job), client.events(job)) for job in jobs]


def _judge(fleet: Fleet, kinds: dict[str, str], notes: Notes, outcome: Outcome) -> None:
    noted = judge.notes_of(notes.lines)
    lives = {}
    for document, events in witness.told(fleet.record):
        id_ = document["id"]
        if id_ in kinds:
            lives[id_] = judge.Life(id_, kinds[id_], document, events, notes=noted.get(id_, []))
    for seen in witness.seen(fleet.record):
        if seen.job in lives:
            lives[seen.job].seen.append(seen)
    for strange in noted.keys() - lives.keys():
        outcome.wrong.append(f"ran, and is not in the record: {strange}")
    for life in lives.values():
        outcome.wrong += judge.broken(life)
        outcome.ends.update(_ends(life.events))
        outcome.overlaps += judge.overlaps(life)
    for program in (*fleet.executors, *([fleet.server] if fleet.server else [])):
        for word in TELLTALE:
            _, found, after = program.log.partition(word)
            if found:
                outcome.wrong.append(f"{program.name}.log has {word}{after[:3000]}")


def _ends(events: Sequence[Event]) -> list[str]:
    return [event.kind for event in events if event.kind not in ("added", "claimed")]
