"""What the list says of leaders and of what is next."""

from typing import Any

import pytest

from job_engine.cli.commands.distributions import _leader, _next
from job_engine.job.times import iso

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"leader": "d1", "ticked-by": "d2", "heard": iso(NOW - 1)}, "d1"),
        ({"ticked-by": "d2", "heard": iso(NOW - 1)}, "d2"),
        ({"heard": iso(NOW - 1)}, ""),
        ({"leader": "d1", "heard": iso(NOW - 301)}, "none (last was d1, not heard of for 5 min)"),
        ({"heard": iso(NOW - 301)}, "none (not heard of for 5 min)"),
    ],
)
def test_a_leader_is_one_while_it_is_heard_of(document: dict[str, Any], said: str) -> None:
    assert _leader(document, NOW) == said


@pytest.mark.parametrize(
    ("paused", "following", "said"),
    [
        (False, None, ""),
        (False, iso(NOW + 39), "in 39 s"),
        (False, iso(NOW - 1), "now"),
        (False, iso(NOW - 39), "39 s ago, overdue"),
        (True, iso(NOW - 39), "paused"),
    ],
)
def test_the_next_tick(paused: bool, following: str | None, said: str) -> None:
    assert _next({"paused": paused, **({"next-tick": following} if following else {})}, NOW) == said
