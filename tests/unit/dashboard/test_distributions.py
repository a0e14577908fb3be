"""The page of the distributions, as it is written."""

import time
from typing import Any

from job_engine.dashboard import page
from job_engine.dashboard.distributions import _shown
from job_engine.job.times import iso


class _Anybody:
    """A visitor, for the frame around the page."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Anybody()

    def __call__(self, *arguments: object) -> bool:
        return True

    def __str__(self) -> str:
        return "anybody"


def rendered(**more: Any) -> str:
    document = {"id": "distribution/a", "name": "a", "paused": False, "heard": iso(time.time()), **more}
    template = page._templates.get_template("distributions.html")
    text = template.render(root="./", visitor=_Anybody(), distributions=[_shown(document)])
    return " ".join(text.split())


def test_a_leader_is_one_while_it_is_heard_of() -> None:
    alive = rendered(leader="d<1>", contenders=["d<1>", "d2"])
    assert "<dt>Leader</dt><dd>d&lt;1&gt;</dd>" in alive
    assert "<dt>Contenders</dt>" in alive
    dead = rendered(leader="d<1>", contenders=["d<1>", "d2"], heard=iso(time.time() - 301))
    assert "<dt>Leader</dt><dd>none; the last was d&lt;1&gt;, heard of <time" in dead
    assert "5 min ago" in dead
    assert "<dt>Contenders</dt>" not in dead


def test_a_tick_that_is_late_is_overdue() -> None:
    assert "overdue" in rendered(**{"next-tick": iso(time.time() - 60)})
    assert "overdue" not in rendered(**{"next-tick": iso(time.time() + 60)})
