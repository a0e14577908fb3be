"""./dev: what it lists, what it refuses, and when it installs. Real sh, venv and pip; nothing comes over a network."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "stand-in"
version = "1"
"""

# The least that pip installs as editable: a wheel with metadata and a script that tells how it was called.
BACKEND = """
import zipfile

def build_editable(folder, config_settings=None, metadata_directory=None):
    with zipfile.ZipFile(f"{folder}/stand_in-1-py3-none-any.whl", "w") as wheel:
        info = "stand_in-1.dist-info/"
        wheel.writestr("stand_in.py", "import os, sys\\ndef main(): print('ran', os.getcwd(), *sys.argv[1:])")
        wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: stand-in\\nVersion: 1\\n")
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(info + "entry_points.txt", "[console_scripts]\\njob-engine = stand_in:main\\n")
        wheel.writestr(info + "RECORD", "")
    return "stand_in-1-py3-none-any.whl"
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A project that ./dev can set up without a network, in a folder whose name needs quoting."""
    clone = tmp_path / "a clone"
    clone.mkdir()
    shutil.copy(ROOT / "dev", clone)
    (clone / "pyproject.toml").write_text(PROJECT)
    (clone / "backend.py").write_text(BACKEND)
    (clone / "requirements.lock").write_text("# nothing\n")
    (clone / "requirements-dev.lock").write_text("# nothing\n")
    return clone


def dev(folder: Path, *arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [folder / "dev", *arguments],
        cwd=cwd or folder,
        env={"PATH": "/usr/bin:/bin", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_alone_it_lists_every_command() -> None:
    script = (ROOT / "dev").read_text()
    commands = re.findall(r"^([a-z]+)\)$", script, re.MULTILINE)
    done = dev(ROOT)
    assert done.returncode == 0
    assert [line.split()[1] for line in done.stdout.splitlines()] == commands
    assert {"up", "test", "lint", "bench", "docs"} <= set(commands)


def test_it_tests_the_pythons_that_the_hosted_workflow_tests() -> None:
    script = (ROOT / "dev").read_text()
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    (ours,) = re.findall(r'^pythons="([^"]*)"', script, re.MULTILINE)
    (theirs,) = re.findall(r"^ *python: \[(.*)\]$", workflow, re.MULTILINE)
    assert ours.split() == re.findall(r'"([^"]*)"', theirs)


def test_it_finds_a_python_of_pyenv_behind_a_shim_that_does_not_work(tmp_path: Path) -> None:
    version = ".".join(map(str, sys.version_info[:2]))
    shims, real = tmp_path / "shims", tmp_path / "pyenv" / "versions" / f"{version}.99" / "bin"
    for folder in (shims, real):
        folder.mkdir(parents=True)
    (shims / f"python{version}").write_text("#!/bin/sh\nexit 127\n")
    (shims / f"python{version}").chmod(0o755)
    (real / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (real / "python").chmod(0o755)
    script = (ROOT / "dev").read_text()
    functions = script[script.index("new_enough()") : script.index("# Runs the tests that need no service")]
    found = subprocess.run(
        ["sh", "-euc", functions + f"\nfind_python {version}; find_python 3.99"],
        env={"PATH": f"{shims}:/usr/bin:/bin", "PYENV_ROOT": str(tmp_path / "pyenv")},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert found.stdout.split() == [str(real / "python")], found.stderr


def test_an_unknown_command_lists_the_known_ones(clone: Path) -> None:
    done = dev(clone, "fly")
    assert done.returncode == 2
    assert "./dev up" in done.stderr
    assert done.stderr.splitlines()[-1] == "dev: no such thing: fly"


def test_a_named_python_that_is_none_is_refused(clone: Path) -> None:
    done = dev(clone, "up", PYTHON="/bin/false")
    assert done.returncode == 2
    assert done.stderr == "dev: PYTHON=/bin/false is not Python 3.11 or newer\n"
    assert not (clone / ".venv").exists()


def test_without_any_python_it_says_what_to_do(clone: Path, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("cat", "cksum", "dirname", "grep", "id", "sh"):
        (tools / name).symlink_to(str(shutil.which(name)))
    done = dev(clone, "up", PATH=str(tools), HOME=str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.startswith("dev: needs Python 3.11 or newer")


def test_up_sets_up_once_and_again_when_something_changed(clone: Path, tmp_path: Path) -> None:
    def up(folder: Path) -> str:
        done = dev(folder, "up", "--data", "some where", cwd=tmp_path, PYTHON=sys.executable, HOME=str(tmp_path))
        assert (done.returncode, done.stdout) == (0, f"ran {tmp_path} up --data some where\n"), done.stderr
        return done.stderr

    first = up(clone)
    assert "making .venv" in first
    assert "installing what requirements.lock lists" in first
    assert up(clone) == ""

    (clone / "requirements.lock").write_text("# still nothing\n")
    changed = up(clone)
    assert "installing" in changed
    assert "making" not in changed
    assert up(clone) == ""

    moved = clone.rename(tmp_path / "moved")
    assert "making .venv" in up(moved)
    assert up(moved) == ""
