"""``@action`` on functions and classes, and ``submit``."""

import inspect
import pickle
import subprocess
import sys

import pytest

from job_engine import Invalid, Job, Unreachable, action
from job_engine.actions import submit as module
from job_engine.actions.action import OF_CLASS, Action


@action
def add_up(job: Job, a: int, b: int = 2) -> int:
    """Add two numbers.

    And more.
    """
    return a + b


def test_a_function_stays_callable():
    assert isinstance(add_up, Action)
    assert add_up(None, a=1) == 3
    assert (add_up.name, vars(add_up)["__name__"], add_up.summary) == ("add-up", "add_up", "Add two numbers.")
    assert list(inspect.signature(add_up).parameters) == ["job", "a", "b"]
    assert add_up.source.endswith("test_action.add_up")
    assert "add-up" in repr(add_up)


def test_it_is_pickled_by_name():
    assert pickle.dumps(add_up) == pickle.dumps(add_up)
    assert b"add_up" in pickle.dumps(add_up)
    assert add_up.__reduce__() == "add_up"


def test_names():
    def a_b():
        pass

    assert action(a_b).name == "a-b"
    assert action()(a_b).name == "a-b"
    assert action("x_y")(a_b).name == "x_y"
    assert action(name="x_y")(a_b).name == "x_y"

    class Do_It:
        def do_work(self):
            pass

    assert vars(action(Do_It))[OF_CLASS][0].name == "Do_It"


def test_options():
    made = action("x", True, timeout="10m", retries=3, backoff="1m", jitter=False, cleanup=print)(lambda: 1)
    assert (made.timeout, made.retries, made.backoff, made.jitter) == (600, 3, 60, False)
    assert (made.cleanup, made.pull_mode_support) == (print, True)
    plain = action(lambda: 1).__class__(lambda: 1, "x")
    assert (plain.timeout, plain.retries, plain.jitter, plain.pull_mode_support) == (None, 0, True, False)


@pytest.mark.parametrize(
    "wrong",
    [
        {"timeout": 0},
        {"timeout": "soon"},
        {"timeout": -1},
        {"retries": -1},
        {"retries": 1.5},
        {"backoff": "x"},
        {"name": " "},
    ],
)
def test_options_without_meaning(wrong):
    with pytest.raises(Invalid):
        action(**{"name": "x", **wrong})(lambda: 1)


def test_what_is_no_action():
    with pytest.raises(Invalid, match="is no action"):
        action(type("Empty", (), {}))
    with pytest.raises(Invalid, match="is no action"):
        Action(3, "x")


class Engine:
    """Stands for a client: what `submit` promises it."""

    def __init__(self, error=None):
        self.calls = []
        self.error = error

    def submit(self, *args, **kwargs):
        self.calls.append((args, kwargs))
        if self.error:
            raise self.error
        return "handle"

    def submit_many(self, *args, **kwargs):
        self.calls.append((args, kwargs))
        return ["handle"] * len(args[1])


def test_submit_with_options():
    engine = Engine()
    urgent = add_up.options(client=engine, priority=1, delay="5m").options(priority=2, target="nuvlabox/1")
    assert urgent.submit(a=1) == "handle"
    assert urgent.submit_many({"a": n} for n in range(2)) == ["handle", "handle"]
    options = {"priority": 2, "delay": "5m", "target": "nuvlabox/1"}
    assert engine.calls == [
        (("add-up",), {"payload": {"a": 1}, **options}),
        (("add-up", [{"a": 0}, {"a": 1}]), options),
    ]


def test_submit_finds_the_engine_once(monkeypatch):
    engines = []

    def client():
        engines.append(Engine(Unreachable() if len(engines) == 1 else None))
        return engines[-1]

    monkeypatch.setattr("job_engine.client.Client", client)
    module._clients.clear()
    add_up.submit(a=1)
    add_up.submit_many([{"a": 1}])
    assert [len(engine.calls) for engine in engines] == [2]
    assert engines[0].calls[0] == (("add-up",), {"payload": {"a": 1}})
    module._clients.clear()
    with pytest.raises(Unreachable):
        add_up.submit(a=1)
    add_up.submit(a=1)  # looks for it again
    assert len(engines) == 3
    assert engines[2].calls == [(("add-up",), {"payload": {"a": 1}})]


def test_importing_is_cheap():
    program = (
        "import sys, job_engine.actions.load as l, job_engine.actions.run; from job_engine import Job, action;"
        "l.load();"
        "print([m for m in ('requests', 'nuvla', 'asyncio', 'job_engine.client', 'ssl') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_exports():
    import job_engine

    for name in job_engine.__all__:
        assert getattr(job_engine, name).__name__ == name
    assert dir(job_engine) == sorted(job_engine.__all__)
    with pytest.raises(AttributeError):
        _ = job_engine.nothing
