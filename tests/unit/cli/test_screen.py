"""Only `cli/screen.py` prints, for only it escapes what others wrote."""

import ast
import re
from pathlib import Path

import pytest

import job_engine.cli
from job_engine.cli import screen

PRINTS = frozenset({"echo", "secho", "style", "echo_via_pager", "print", "print_exc", "print_exception"})
HOSTILE = "\x1b[2Jname\x9b\u202e\r"


def printing(path: Path) -> list[int]:
    """Lines that print by another way than through `screen`."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            called = node.func
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            rich = isinstance(called, ast.Attribute) and ast.unparse(called.value) == "console"
            if name in PRINTS and not rich:
                found.append(node.lineno)
    return found


def test_nothing_else_prints() -> None:
    modules = [path for path in Path(job_engine.cli.__file__).parent.rglob("*.py") if path.name != "screen.py"]
    assert {path.name: lines for path in modules if (lines := printing(path))} == {}


@pytest.mark.parametrize("terminal", [True, False])
def test_all_ways_to_print_escape(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, terminal: bool
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal)
    screen.say(HOSTILE, screen.Styled(HOSTILE, "red"), color=False)
    screen.say_empty(HOSTILE)
    screen.print_table(("a", "b"), [(HOSTILE, HOSTILE)])
    screen.print_fields([(HOSTILE, HOSTILE), ("state", screen.coloured(HOSTILE))])
    screen.print_json({HOSTILE: HOSTILE})
    said = re.sub(r"\x1b\[[0-9;]*m", "", "".join(capsys.readouterr()))  # our own colours
    assert said.count("name") == 10
    assert not set(said) & set("\x1b\x9b\u202e\r")
