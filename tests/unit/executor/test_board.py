import os
import time

from job_engine.executor.board import Board


def test_both_sides_see_what_the_other_writes() -> None:
    ours = Board(2)
    theirs = Board(2, os.dup(ours.fd))
    assert theirs.expired()
    ours.set_good_until(time.monotonic() + 60, time.monotonic() + 61)
    assert not theirs.expired()
    assert theirs.kill_at - time.monotonic() > 60
    assert ours.last_begun() == 0
    theirs.begin(1, 3, 1000.5, 0.0)
    theirs.begin(0, 4, 1001.5, 2000.0)
    assert ours.last_begun() == 4
    assert ours.handles() == [4, 3]
    first, second = ours.cell(0), ours.cell(1)
    assert (first.handle, first.started, first.due) == (4, 1001.5, 2000.0)
    assert (second.handle, second.started, second.due) == (3, 1000.5, 0.0)
    assert abs(second.began - time.monotonic()) < 60
    ours.set_good_until(time.monotonic() - 1, time.monotonic())
    assert theirs.expired()
    theirs.close()
    ours.close()
