"""``--mask-patterns``: a file of regular expressions, looked at before anything starts."""

from pathlib import Path

import pytest

from job_engine.cli import run
from job_engine.cli.options.parts import patterns_in
from job_engine.job.errors import Invalid


def test_lines_are_patterns_but_blank_ones_and_comments(tmp_path: Path) -> None:
    file = tmp_path / "patterns"
    file.write_text("# tokens\n\n(?i)bearer [a-z0-9]+\n  x\n")
    assert patterns_in(file) == ("(?i)bearer [a-z0-9]+", "  x")
    assert patterns_in(None) == ()


@pytest.mark.parametrize(
    ("text", "wrong"), [("ok\n(", "line 2 is no regular expression"), ("a*", "line 1 matches the empty text")]
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, text: str, wrong: str) -> None:
    file = tmp_path / "patterns"
    file.write_text(text)
    with pytest.raises(Invalid, match=wrong):
        patterns_in(file)
    with pytest.raises(Invalid, match="cannot read"):
        patterns_in(tmp_path / "none")


@pytest.mark.parametrize("command", ["up", "executor"])
def test_both_commands_refuse_a_file_that_is_not_there(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--mask-patterns", str(tmp_path / "none")]
    where = ["--data", str(tmp_path / "data")] if command == "up" else ["--api-url", "http://127.0.0.1:1"]
    assert run([command, *arguments, *where]) == 2
    assert "(--mask-patterns)" in capsys.readouterr().err
