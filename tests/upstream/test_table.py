"""docs/upstream-actions.md says what is true: of upstream's registry, of our loader and of the tests here."""

import re
from pathlib import Path

import pytest

from tests.upstream.environment import ROOT
from tests.upstream.test_loading import loaded

pytestmark = pytest.mark.timeout(600)

ROW = re.compile(r"^\| `([\w-]+)` \| (yes|no) \| (yes|no) \| (.*)\|$", re.MULTILINE)


def test_the_table_of_actions(python: Path) -> None:
    rows = ROW.findall((ROOT / "docs" / "upstream-actions.md").read_text())
    found = loaded(python)
    assert [name for name, *_ in rows] == found["theirs"]
    assert [name for name, loads, *_ in rows if loads == "yes"] == found["ours"]
    tests = (Path(__file__).parent / "test_actions.py").read_text()
    tested = {name for name in found["theirs"] if re.search(rf'\.(ran|job)\(\s*"{re.escape(name)}"', tests)}
    assert {name for name, _, runs, _ in rows if runs == "yes"} == tested
    assert all(why.strip() for _, _, runs, why in rows if runs == "no")
