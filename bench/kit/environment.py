"""The bench's own virtual environment, .dev/bench-venv, with the peers; made at first use."""

import shutil
import subprocess
import sys
from pathlib import Path

from kit.processes import BenchError

BENCH = Path(__file__).resolve().parent.parent
ROOT = BENCH.parent
FOLDER = ROOT / ".dev" / "bench-venv"
RUNS = ROOT / ".dev" / "bench"
"""Where each run makes its temporary folder: not in /tmp, which may be memory, where nothing is durable."""
REQUIREMENTS = BENCH / "requirements.txt"


def program(name: str) -> Path:
    """A program of the bench's environment, which is made, or made anew when the requirements have changed.

    Raises:
        BenchError: it cannot be made.
    """
    installed = FOLDER / "requirements.txt"
    if not installed.exists() or installed.read_bytes() != REQUIREMENTS.read_bytes():
        print(f"bench: installing the peers into {FOLDER}", file=sys.stderr)
        shutil.rmtree(FOLDER, ignore_errors=True)
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
        # pip from here, because Debian's venv cannot put one into the new environment.
        for command in (
            [sys.executable, "-m", "venv", "--without-pip", str(FOLDER)],
            [*pip, "--python", str(FOLDER / "bin" / "python"), "install", "-q", "-r", str(REQUIREMENTS)],
        ):
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                raise BenchError(f"{' '.join(command)} failed: {done.stderr[-2000:]}")
        shutil.copy(REQUIREMENTS, installed)
    return FOLDER / "bin" / name
