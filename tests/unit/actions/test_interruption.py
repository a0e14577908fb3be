"""An interruption reaches its attempt, and nothing else that runs in the thread after it."""

import random
import sys
import threading
import time
from dataclasses import dataclass

import msgspec
import pytest

from job_engine import Interrupted, action
from job_engine.actions import output
from job_engine.actions.interruption import LOST, OVERDUE, STOPPED, Interruption, _send
from job_engine.actions.job import Job
from job_engine.actions.outcome import FINISHED, RELEASED
from job_engine.actions.run import run
from job_engine.job.attend import Granted
from job_engine.testing.hold import NotingHold


def job(hold) -> Job:
    return Job(Granted(1, 1, "job/1", "x", msgspec.Raw(b'{"version":2}')), hold)


def test_the_event():
    interruption = Interruption()
    assert not interruption
    assert not interruption.is_set()
    assert interruption.reason is None
    assert not interruption.wait(0)
    assert not interruption.seen
    interruption.set(STOPPED)
    assert interruption
    assert interruption.wait()
    assert (interruption.reason, interruption.over, interruption.seen) == (STOPPED, False, True)


def test_a_reason_that_ends_the_hold_replaces_one_that_does_not():
    interruption = Interruption()
    for reason, expected in ((STOPPED, STOPPED), (OVERDUE, STOPPED), ("canceled", "canceled"), (LOST, "canceled")):
        interruption.set(reason)
        assert interruption.why == expected
    assert interruption.over


def test_a_hold_whose_time_has_passed_is_lost():
    passed = False
    interruption = Interruption(lambda: passed)
    assert not interruption
    assert not interruption.over
    passed = True
    assert interruption.over
    assert interruption.reason == LOST


def test_waiting_ends_at_once():
    interruption = Interruption()
    woken = []
    thread = threading.Thread(target=lambda: woken.append(interruption.wait(60)))
    thread.start()
    interruption.set("canceled")
    thread.join(30)
    assert woken == [True]


def test_the_engine_looking_is_not_the_action_seeing():
    interruption = Interruption()
    interruption.set(STOPPED)
    assert interruption.why == STOPPED
    assert not interruption.over
    assert not interruption.seen


def test_a_deaf_action_is_ended():
    hold = NotingHold()
    begun = threading.Event()
    outcomes = []

    @action("deaf")
    def deaf():
        begun.set()
        while True:
            pass

    thread = threading.Thread(target=lambda: outcomes.append(run(deaf, job(hold))))
    thread.start()
    assert begun.wait(30)
    hold.interrupted.set("canceled")
    assert hold.interrupted.throw()
    thread.join(30)
    assert (outcomes[0].kind, outcomes[0].message) == (RELEASED, "canceled")
    assert not hold.interrupted.throw()


def test_nothing_is_thrown_before_or_after():
    hold = NotingHold()
    assert not hold.interrupted.throw()
    run(action("quick")(lambda: 1), job(hold))
    assert not hold.interrupted.throw()
    assert not hold.interrupted.thrown, "which would cost its worker process"


@dataclass
class Tree:
    root: str

    def __post_init__(self):
        tried.append(throws[-1]())


tried: list[bool] = []
throws = []


def test_nothing_is_thrown_while_the_arguments_are_made():
    """There the engine imports what it needs, and an import that is cut short leaves its lock taken."""
    hold = NotingHold()
    throws.append(hold.interrupted.throw)

    @action("takes")
    def takes(tree: Tree):
        return tree.root

    document = msgspec.Raw(b'{"version":2,"payload":"{\\"tree\\":{\\"root\\":\\"/x\\"}}"}')
    outcome = run(takes, Job(Granted(1, 1, "job/1", "takes", document), hold))
    assert outcome.result == b'"/x"'
    assert tried == [False]


def test_an_action_that_swallows_it_is_thrown_at_again():
    hold = NotingHold()
    begun = threading.Event()
    outcomes = []
    swallowed = 0

    @action("stubborn")
    def stubborn():
        nonlocal swallowed
        begun.set()
        while swallowed < 3:
            try:
                while True:
                    pass
            except BaseException:
                swallowed += 1
        while True:
            pass

    thread = threading.Thread(target=lambda: outcomes.append(run(stubborn, job(hold))))
    thread.start()
    assert begun.wait(30)
    hold.interrupted.set(STOPPED)
    deadline = time.monotonic() + 30
    while thread.is_alive() and time.monotonic() < deadline:
        hold.interrupted.throw()
        thread.join(0.001)
    assert outcomes[0].kind == RELEASED
    assert swallowed == 3


def test_a_call_of_the_engine_is_not_cut_in_two():
    """What is thrown during a write arrives after it, so that no lock stays taken and no message is half sent."""
    hold = NotingHold()
    halves = []
    outcomes = []
    in_write, thrown = threading.Event(), threading.Event()

    def write(changes):
        halves.append("begun")
        in_write.set()
        thrown.wait(30)
        for _ in range(1000):
            len(halves)
        halves.append("ended")

    hold.write = write

    @action("writes")
    def writes(job):
        job.set_progress(1)
        while True:
            pass

    thread = threading.Thread(target=lambda: outcomes.append(run(writes, job(hold))))
    thread.start()
    assert in_write.wait(30)
    hold.interrupted.set(STOPPED)
    assert not hold.interrupted.throw()
    thrown.set()
    deadline = time.monotonic() + 30
    while thread.is_alive() and time.monotonic() < deadline:
        hold.interrupted.throw()
        thread.join(0.001)
    assert halves == ["begun", "ended"]
    assert outcomes[0].kind == RELEASED


@pytest.mark.parametrize("prints", [False, True])
def test_a_late_one_never_leaves_its_attempt(prints):
    """Short attempts in one thread, each thrown at without pause around its end."""
    current: list[Interruption] = []
    stray: list[BaseException] = []
    kinds: list[str] = []
    done = threading.Event()
    deadline = time.monotonic() + 60

    @action("short")
    def short(job):
        total = 0
        for n in range(random.randrange(600)):
            total += n
            if prints and n % 200 == 0:
                job.logger.info("at %d", n)
                print(n)
        return total

    def slot():
        try:
            released = 0
            while released < 100 and time.monotonic() < deadline:
                hold = NotingHold()
                hold.interrupted.set(STOPPED)
                current[:] = [hold.interrupted]
                outcome = run(short, job(hold))
                kinds.append(outcome.kind)
                released += outcome.kind == RELEASED
                for _ in range(20):  # where a stray one would arrive
                    len(kinds)
        except BaseException as escaped:
            stray.append(escaped)
        finally:
            done.set()

    def thrower():
        while not done.is_set():
            for interruption in current:
                interruption.throw()

    threads = [threading.Thread(target=slot), threading.Thread(target=thrower)]
    output.install()  # as in a worker: no handler that takes a lock sees a job's records
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)  # so that they meet at any point
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(100)
    finally:
        sys.setswitchinterval(interval)
        output.uninstall()
    assert stray == []
    assert set(kinds) <= {FINISHED, RELEASED}
    assert kinds.count(RELEASED) == 100


def test_one_that_is_on_its_way_when_the_action_raises():
    """It is sent from C, where the interpreter does not look, and the action raises before it does."""
    hold = NotingHold()
    hold.interrupted.set(STOPPED)
    hold.interrupted.thrown = True

    @action("raises")
    def raises():
        sum(map(_send, [hold.interrupted.cell], [Interrupted]), [])  # noqa: RUF017 - a number is no list: TypeError

    assert run(raises, job(hold)).kind == RELEASED
    for _ in range(100):
        len(hold.lines)


def test_interrupted_passes_an_actions_own_error_handling():
    assert not issubclass(Interrupted, Exception)
