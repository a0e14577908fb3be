"""Guarantee 6: a tick makes its jobs once, whichever distributor leads, through any failover.

Three distributors with one distribution that is due five times a second, and one contender as upstream's (kazoo's
recipe). Leaders are killed, stopped past the end of their session and continued, and cut off from ZooKeeper, one after
the other. Then no tick was made twice, with ``missed="all"`` none is missing, and no other led while the stranger did.

``JOB_ENGINE_PROOF_SECONDS=120 pytest tests/faults/test_distributors.py`` is the long proof.
"""

import os
import random
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from tests import zookeeper
from tests.integration.distributor.scene import Distributor, Place

SECONDS = float(os.environ.get("JOB_ENGINE_PROOF_SECONDS", "5"))
LED = 1.0
"""Seconds that the stranger leads at a time."""
SEED = 6


class Stranger:
    """Contends as upstream's distributors do, and notes when it led."""

    def __init__(self, place: Place) -> None:
        self.terms: list[tuple[float, float]] = []
        self._place = place
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with self._place.kazoo() as client:
            while not self._stop.is_set():
                client.Election("/election/often", "stranger").run(self._lead)
                self._stop.wait(LED)

    def _lead(self) -> None:
        began = time.time()
        self._stop.wait(LED)
        self.terms.append((began, time.time()))

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(60)


@pytest.fixture
def place(tmp_path) -> Iterator[Place]:
    with zookeeper.server() as server:
        here = Place(tmp_path, server.port)
        try:
            yield here
        finally:
            here.close()


def killed(place: Place, leader: Distributor) -> None:
    leader.signal(signal.SIGKILL)
    leader.process.wait()
    place.led_by_another_than(leader)
    place.start("--distributions", place.often())


def stopped(place: Place, leader: Distributor) -> None:
    leader.signal(signal.SIGSTOP)
    place.led_by_another_than(leader)
    leader.signal(signal.SIGCONT)
    leader.says("leads often", leader.log.count("leads often"))


def cut_off(place: Place, leader: Distributor) -> None:
    assert leader.proxy is not None
    leader.proxy.set(up="hold", down="hold")
    place.led_by_another_than(leader)
    leader.proxy.set(up="pass", down="pass")


@pytest.mark.timeout(SECONDS + 240)
def test_a_tick_makes_its_jobs_once_through_any_failover(place):
    order = random.Random(SEED)
    place.start("--distributions", place.often(), count=3)
    stranger = Stranger(place)
    end, faults = time.monotonic() + SECONDS, 0
    while time.monotonic() < end or faults < 3:
        if faults % 3 == 0:
            round_of_three = order.sample((killed, stopped, cut_off), 3)
        round_of_three[faults % 3](place, place.idle_leader())  # nobody can take back a call that is just being made
        faults += 1
    stranger.stop()
    place.more()
    dues = place.check()
    assert stranger.terms, "the stranger never led"
    for began, ended in stranger.terms:
        within = [at for _, at in place.called_at() if began < at < ended]
        assert not within, f"ours led too while the stranger did: {len(within)} ticks"
    print(f"{faults} faults, {len(dues)} ticks, {len(stranger.terms)} terms of the stranger")
