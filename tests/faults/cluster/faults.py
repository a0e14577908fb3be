"""What is done to a fleet: drawn from a seed before the run, done when the run has come so far."""

import random
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from tests.faults.cluster.fleet import CLIENT, EXECUTORS, SESSION, Fleet, Program, signal_if_alive
from tests.integration.engine_processes import until
from tests.zookeeper import Proxy

WEIGHTS: Final = {
    "worker killed": 8,
    "worker stopped": 3,
    "supervisor killed": 5,
    "supervisor stopped": 6,
    "supervisor told to stop": 2,
    "server killed": 4,
    "server stopped": 3,
    "zookeeper killed": 3,
    "zookeeper stopped": 3,
    "link hangs": 7,
    "link cut": 3,
    "answers eaten": 4,
}
"""Of 51 faults, how many are which."""
SHORT, LONG = 0.2, 1.5 * SESSION
"""Seconds between which something is stopped or hangs: less and more than a session lasts."""
NEVER_BACK: Final = 3 * SESSION
"""Seconds after which a stopped supervisor goes on in any case; it does some time after its session has ended."""
LATE: Final = 1.5
"""Seconds that it stays stopped then, at most: others may run its jobs by the time at which it speaks of them again."""
STOPPING: Final = 4.0
"""Seconds after which a supervisor that was told to stop is told again."""
AGAIN: Final = 3
"""Jobs that have to run again before an executor that was cut off is heard."""
CHEW: Final = 1.5
"""Seconds in which an answer is to be eaten, and the link is cut then in any case."""


@dataclass(frozen=True)
class Fault:
    """One, as drawn."""

    kind: str
    who: int
    seconds: float
    dice: float
    gap: int  # jobs that end before it

    def __str__(self) -> str:
        return f"{self.kind} ({self.who}, {self.seconds:.1f} s, {self.dice:.2f})"


def drawn(seed: int, count: int, special: Sequence[str] = ()) -> list[Fault]:
    """So many, and the ``special`` ones spread among them in their order."""
    dice = random.Random(seed)
    bag = [kind for kind, weight in WEIGHTS.items() for _ in range(weight)]
    kinds: list[str] = []
    while len(kinds) < count:
        kinds += dice.sample(bag, len(bag))
    kinds = kinds[:count]
    for place, kind in enumerate(special, 1):
        kinds.insert(place * count // (len(special) + 1) + place - 1, kind)
    return [
        Fault(kind, dice.randrange(len(EXECUTORS)), dice.uniform(SHORT, LONG), dice.random(), dice.randint(8, 28))
        for kind in kinds
    ]


@dataclass
class Open:
    """A fault that lasts: until it is time, or its condition holds."""

    target: str
    until: float
    heal: Callable[[], None]
    over: Callable[[], bool] = field(default=lambda: False)

    @property
    def due(self) -> bool:
        return time.monotonic() >= self.until or self.over()


class Faults:
    """Inflicts them on a fleet, and heals what is to be healed."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._open: list[Open] = []

    def inflict(self, fault: Fault) -> bool:
        """Whether there was something to do it to; if not, it is to be tried again."""
        self._fleet.see_workers()
        kind, _, how = fault.kind.partition(" ")
        return bool(getattr(self, f"_{kind}")(fault, how))

    def heal(self, *, everything: bool = False) -> None:
        """What is due."""
        for one in list(self._open):
            if one in self._open and (everything or one.due):
                self._open.remove(one)
                one.heal()

    def healed(self) -> bool:
        """Heal what is due; whether nothing is left."""
        self.heal()
        return not self._open

    def _lasts(
        self, target: str, seconds: float, heal: Callable[[], None], over: Callable[[], bool] = lambda: False
    ) -> None:
        self._open.append(Open(target, time.monotonic() + seconds, heal, over))

    def _is_open(self, target: str) -> bool:
        return any(one.target == target for one in self._open)

    def _free(self, target: str) -> None:
        """End what is done to it already."""
        for one in [one for one in self._open if one.target == target]:
            self._open.remove(one)
            one.heal()

    # One method for each first word

    def _worker(self, fault: Fault, how: str) -> bool:
        executor = self._executor(fault)
        workers = executor.workers if executor else []
        if not workers:
            return False
        pid = workers[int(fault.dice * len(workers))]
        if how == "killed":
            signal_if_alive(pid, signal.SIGKILL)
        else:
            signal_if_alive(pid, signal.SIGSTOP)
            self._lasts(f"worker {pid}", fault.seconds, lambda: signal_if_alive(pid, signal.SIGCONT))
        return True

    def _supervisor(self, fault: Fault, how: str) -> bool:
        executor = self._executor(fault)
        if executor is None:
            return False
        if how == "killed":
            executor.kill()
            executor.start()
        elif how == "stopped":
            member = self._member(executor)
            executor.send(signal.SIGSTOP)
            self._lasts(
                executor.name,
                NEVER_BACK,
                lambda: executor.send(signal.SIGCONT),
                self._for_long(lambda: self._has_gone(member), fault.dice * LATE),
            )
        else:
            executor.send(signal.SIGTERM)
            self._lasts(
                executor.name, STOPPING, lambda: self._leave(executor, fault), lambda: not executor.running
            )  # fmt: skip
        return True

    def _leave(self, executor: Program, fault: Fault) -> None:
        if not executor.running:
            executor.start()
            return
        executor.send(signal.SIGTERM)
        self._lasts(executor.name, STOPPING, lambda: self._kill(executor), lambda: not executor.running)

    def _kill(self, executor: Program) -> None:
        if executor.running:
            executor.kill()
        executor.start()

    def _server(self, fault: Fault, how: str) -> bool:
        server = self._fleet.server
        assert server
        if self._is_open("server") or not server.ready:
            return False
        if how == "killed":
            server.kill()
            server.start()
        else:
            server.send(signal.SIGSTOP)
            self._lasts("server", fault.seconds, lambda: server.send(signal.SIGCONT))
        return True

    def _zookeeper(self, fault: Fault, how: str) -> bool:
        zookeeper = self._fleet.zookeeper
        if self._is_open("zookeeper") or not zookeeper.serves():
            return False
        if how == "stopped":
            zookeeper.send(signal.SIGSTOP)
            self._lasts("zookeeper", fault.seconds, lambda: zookeeper.send(signal.SIGCONT))
            return True
        what, _, beside = how.partition(" with ")
        zookeeper.kill()
        if what == "wiped":
            self._fleet.wipe()
        elif what == "copied":
            self._fleet.copy_disk()
        elif what == "put back":
            self._fleet.put_copy_back()
        zookeeper.spawn()
        if beside == "the server":  # a new relay connects at once, while older clients look for what they have seen
            self._server(fault, "killed")
        return True

    def _link(self, fault: Fault, how: str) -> bool:
        if how == "hangs until its jobs run again":
            return self._hang_long(self._fleet.executors[0])
        name, link = self._drawn_link(fault)
        if how == "cut":
            link.cut()
            return True
        up, down = (("hold", "hold"), ("hold", "pass"), ("pass", "hold"))[int(fault.dice * 30) % 3]
        link.set(up=up, down=down)

        def heal() -> None:
            link.set(up="pass", down="pass")  # what was held back arrives late
            if fault.dice < 0.5:
                link.cut()

        self._lasts(name, fault.seconds * (2 if name.endswith("api") else 1), heal)  # longer than some --api-grace
        return True

    def _hang_long(self, executor: Program) -> bool:
        """What an executor says of its jobs arrives when others run them."""
        if self._fleet.running(executor) < AGAIN:
            return False
        link, before = self._fleet.links[f"{executor.name} api"], self._fleet.run_again()
        link.set(up="hold", down="hold")
        until(lambda: self._fleet.run_again() >= before + AGAIN, "its jobs to run again")
        link.set(up="pass", down="pass")
        return True

    def _answers(self, fault: Fault, how: str) -> bool:
        if how == "to takes eaten":
            for executor in self._fleet.executors:
                name = f"{executor.name} zookeeper"
                self._free(name)
                self._eat(name, self._fleet.links[name])
        else:
            self._eat(*self._drawn_link(fault))
        return True

    def _eat(self, name: str, link: Proxy) -> None:
        link.seen.clear()
        link.set(down="eat")

        def heal() -> None:
            link.cut()
            link.set(down="pass")
            link.seen.clear()

        self._lasts(name, CHEW, heal, lambda: bool(link.seen))

    # Whom

    def _executor(self, fault: Fault) -> Program | None:
        """The one that was drawn, if it is well; else another one that is."""
        busy = {one.target for one in self._open}
        for n in range(len(EXECUTORS)):
            executor = self._fleet.executors[(fault.who + n) % len(EXECUTORS)]
            if executor.ready and executor.name not in busy:
                return executor
        return None

    def _drawn_link(self, fault: Fault) -> tuple[str, Proxy]:
        names = sorted(self._fleet.links)
        assert f"{CLIENT} api" in names
        name = names[int(fault.dice * 1000) % len(names)]
        self._free(name)
        return name, self._fleet.links[name]

    def _member(self, executor: Program) -> str | None:
        try:
            return self._fleet.member_of(executor.pid)
        except Exception:  # ZooKeeper is being broken as well: then time decides
            return None

    def _for_long(self, condition: Callable[[], bool], seconds: float) -> Callable[[], bool]:
        """Whether it came true so many seconds ago."""
        since: list[float] = []

        def over() -> bool:
            if not since and condition():
                since.append(time.monotonic())
            return bool(since) and time.monotonic() - since[0] >= seconds

        return over

    def _has_gone(self, member: str | None) -> bool:
        said = self._fleet.zookeeper.ask("dump") if member and not self._is_open("zookeeper") else ""
        return "ephemeral" in said.lower() and str(member) not in said
