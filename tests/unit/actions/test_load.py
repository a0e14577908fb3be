"""Actions load from modules, packages, files and folders; what fails is named, and the rest loads."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from job_engine import Invalid
from job_engine.actions.load import load
from tests.unit.files import write

pytestmark = pytest.mark.usefixtures("own_modules")

BUILTIN = ["cancel_children_jobs", "cleanup_jobs", "dummy_test_action", "monitor_bulk_job", "noop"]


def one(name: str) -> str:
    return f"from job_engine import action\n@action\ndef {name}(): return {name!r}\n"


def names(actions):
    return [name for name in actions.names() if name not in BUILTIN]


def test_built_in_ones():
    actions = load()
    assert actions.names() == BUILTIN
    assert (len(actions), "noop" in actions, actions.get("nope")) == (len(BUILTIN), True, None)
    assert [action.name for action in actions] == BUILTIN
    assert actions.failed == {}
    assert actions.duplicates == []


def test_a_file_and_a_module_in_the_current_folder():
    write("first.py", one("a_b"))
    write("second.py", one("c"))
    write("deep/er.py", one("d"))
    actions = load(["first.py", "second", "deep.er"])
    assert names(actions) == ["a-b", "c", "d"]
    assert actions.get("a-b")() == "a_b"


def test_a_folder_and_its_neighbours():
    write("acts/one.py", "from two import shared, of_two\n" + one("of_one"))
    write("acts/two.py", "shared = 1\n" + one("of_two"))
    write("acts/sub/three.py", one("not_this"))
    write("acts/notes.txt", "no")
    actions = load(["acts"])
    assert names(actions) == ["of-one", "of-two"]
    assert (actions.failed, actions.duplicates) == ({}, [])


def test_a_package_loads_all_its_modules():
    write("pack/__init__.py", one("top"))
    write("pack/__main__.py", "raise SystemExit")
    write("pack/part.py", "from . import top\n" + one("part"))
    write("pack/sub/__init__.py", "")
    write("pack/sub/leaf.py", "from ..part import part\n" + one("leaf"))
    for source in ("pack", str(Path("pack").resolve())):
        actions = load([source])
        assert names(actions) == ["leaf", "part", "top"]
        assert (actions.failed, actions.duplicates) == ({}, [])


def test_a_file_whose_name_is_taken():
    write("json.py", one("mine"))
    write("other/json.py", one("others"))
    assert names(load(["json.py", "other/json.py"])) == ["mine", "others"]
    import json

    assert json.loads("1") == 1


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("def f(:", "SyntaxError: invalid syntax (bad.py, line 1)"),
        ("import sys\nsys.exit(4)", "SystemExit: 4 (FOLDER/bad.py, line 2)"),
        ("import nowhere_at_all", "ModuleNotFoundError: No module named 'nowhere_at_all' (FOLDER/bad.py, line 1)"),
        ("def f():\n  raise ValueError('a\\nb')\nf()", "ValueError: a b (FOLDER/bad.py, line 2)"),
        ("raise GeneratorExit", "GeneratorExit (FOLDER/bad.py, line 1)"),
        ("def f(): f()\nf()", "RecursionError: maximum recursion depth exceeded (FOLDER/bad.py, line 1)"),
        ("x = '\\ud800'.encode()", "UnicodeEncodeError: 'utf-8' codec can't encode character"),
        ("from job_engine import action\n@action(retries=-1)\ndef f(): pass", "Invalid: attribute 'retries' does not"),
    ],
)  # fmt: skip
def test_what_does_not_import_is_named_and_the_rest_loads(source, error, tmp_path):
    write("acts/bad.py", source)
    write("acts/good.py", one("good"))
    write("zpack/__init__.py", "")
    write("zpack/bad.py", "1/0")
    write("zpack/good.py", one("better"))
    actions = load(["acts", "zpack"])
    assert names(actions) == ["better", "good"]
    path = str(tmp_path.resolve() / "acts")
    assert actions.failed[f"{path}/bad.py"].replace(path, "FOLDER").startswith(error)
    assert "ZeroDivisionError: division by zero" in actions.failed["zpack.bad"]
    assert "bad" not in sys.modules


def test_an_undecodable_file():
    Path("bad.py").write_bytes(b"name = '\xff'\n")
    actions = load(["bad.py"])
    assert next(iter(actions.failed.values())).startswith("SyntaxError: ")


def test_a_signature_that_no_payload_can_fill_is_named():
    write("bad.py", "from job_engine import action\n@action\ndef f(*a): pass\n@action\ndef g(): pass")
    actions = load(["bad.py"])
    assert names(actions) == ["g"]
    assert actions.failed == {
        "bad.f": "parameter 'a' of f: a payload has named arguments only, so it must take its name"
    }


@pytest.mark.parametrize("source", ["nope.py", "no/such", "./nope", "nope", "nope.deeper", "", "a b", Path("nope")])
def test_a_source_that_does_not_exist(source):
    with pytest.raises(Invalid, match="there is no"):
        load([source])


def test_a_file_that_is_not_python():
    write("acts.txt", "")
    with pytest.raises(Invalid, match=r"must end in \.py"):
        load(["acts.txt"])


def test_a_missing_part_of_a_package_is_an_import_that_failed():
    write("pack/__init__.py", "")
    assert load(["pack.nope"]).failed == {"pack.nope": "ModuleNotFoundError: No module named 'pack.nope'"}


def test_the_first_of_a_name_wins():
    write("a.py", one("same"))
    write("b.py", one("same"))
    write("c.py", one("noop"))
    actions = load(["a.py", "b.py", "c.py", "a.py"])
    assert actions.get("same").source == "a.same"
    assert actions.duplicates == ["action 'same' of b.same is already that of a.same"]
    assert actions.get("noop").source == "c.noop"  # a built-in one is meant only where nobody else has its name


def test_classes_and_several_names():
    write(
        "acts.py",
        """
        from job_engine import action

        @action("first")
        @action("second", True)
        class Both:
            def __init__(self, job): self.job = job
            def do_work(self): return 0

        @action
        class Plain_Name(Both):
            pass

        class NotOne(Both):
            pass

        @action("third", pull_mode_support=True)
        @action
        def fourth(): pass
        """,
    )
    actions = load(["acts.py"])
    assert names(actions) == ["Plain_Name", "first", "fourth", "second", "third"]
    assert [a.name for a in actions if a.pull_mode_support] == ["second", "third"]


UPSTREAM = """
import glob, os
class Actions:
    actions = {}
    @classmethod
    def action(cls, name=None, pull_mode_support=False):
        def decorator(f):
            cls.actions[name or f.__name__] = f
            return f
        return decorator
action = Actions.action
from . import start
"""
CLASS = """
from nuvla.job_engine.job.actions import action
@action('%s', True)
class Start:
    def __init__(self, job): self.job = job
    def do_work(self): return 0
    def cleanup(self): raise OSError("means something else there")
"""


def test_upstreams_classes():
    """In a process of its own: the stand-in has upstream's name."""
    write("nuvla/job_engine/job/actions/__init__.py", UPSTREAM)
    write("nuvla/job_engine/job/actions/start.py", CLASS % "start_deployment")
    write("mine/own.py", CLASS % "own_action")
    write("mine/unfit.py", "from nuvla.job_engine.job.actions import action\n@action('unfit')\nclass Unfit: pass")
    program = """
        from job_engine.actions.load import load
        both = load(["mine", "nuvla.job_engine.job.actions"])
        print(both.names(), both.duplicates, both.failed)
        print(load(["mine"]).names())
        print(both.get("start_deployment").is_class, both.get("start_deployment").cleans_itself)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"{sorted([*BUILTIN, 'own_action', 'start_deployment'])} [] {{'unfit': ")
    assert lines[1:] == [str(sorted([*BUILTIN, "own_action"])), "True False"]


def test_entry_points(monkeypatch):
    write("plugin/__init__.py", one("plugged"))
    write("plugin/more.py", one("more"))
    write("single.py", one("taken") + one("not_taken") + one("kept"))
    write(
        "plugin-1.0.dist-info/entry_points.txt",
        "[job_engine.actions]\nplugin = plugin\none = single:taken\nbroken = nowhere_at_all\nodd = single:nope\n",
    )
    write("plugin-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: plugin\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(str(Path.cwd()))
    actions = load()
    assert names(actions) == ["more", "plugged", "taken"]
    assert actions.failed["nowhere_at_all"] == "ModuleNotFoundError: No module named 'nowhere_at_all'"
    assert actions.failed["odd = single:nope (entry point)"].startswith("AttributeError: ")
    assert names(load(entry_points=False)) == []


def test_ctrl_c_ends_the_loading():
    write("acts.py", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        load(["acts.py"])


def test_things_that_cannot_be_looked_at_do_not_end_the_load(tmp_path):
    (tmp_path / "odd.py").write_text(ODD)
    loaded = load([tmp_path / "odd.py"], entry_points=False)
    assert "fine" in loaded
    assert not loaded.failed


ODD = """
from job_engine import action


class Meta(type):
    def __getattribute__(cls, name):
        raise SystemExit(4)


class Lazy(metaclass=Meta):
    pass


class Proxy:
    @property
    def __class__(self):
        raise SystemExit(5)


proxy = Proxy()


@action
def fine():
    pass
"""


def test_hidden_files_of_editors_are_skipped_and_each_import_is_announced(tmp_path):
    (tmp_path / "seen.py").write_text("from job_engine import action\n@action\ndef seen(): ...\n")
    (tmp_path / ".#seen.py").symlink_to("user@host.1234")  # Emacs' lock
    (tmp_path / "._seen.py").write_bytes(b"\x00\x05\x16\x07")  # macOS
    announced = []
    actions = load([tmp_path], entry_points=False, importing=announced.append)
    assert actions.failed == {}
    assert "seen" in actions
    assert announced[0] == str(tmp_path / "seen.py")
