"""The virtual environment .dev/upstream: upstream's engine from PyPI beside ours, as somebody who moves over has it.

``python tests/upstream/environment.py`` makes it, and makes it anew when something changed that is in it.
"""

import fcntl
import hashlib
import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
FOLDER: Final = ROOT / ".dev" / "upstream"
PYTHON: Final = FOLDER / "bin" / "python"
LOCKS: Final = (
    ROOT / "requirements.lock",
    ROOT / "deploy" / "nuvla-requirements.lock",
    ROOT / "tests" / "upstream" / "requirements.lock",
)
WITHIN: Final = 600.0
"""Seconds that one step may take, on a slow line."""


class NotMade(Exception):
    """It cannot be made."""


def make() -> None:
    """Make it, unless it is as it has to be. Several may call this at once.

    Raises:
        NotMade: pip could not; what it said.
    """
    FOLDER.parent.mkdir(exist_ok=True)
    with FOLDER.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made, key = FOLDER / "made", _key()
        if made.exists() and made.read_text() == key:
            return
        print(f"dev: installing upstream's engine beside ours into {FOLDER} (this takes a minute)", file=sys.stderr)
        shutil.rmtree(FOLDER, ignore_errors=True)
        _run([sys.executable, "-m", "venv", "--without-pip", str(FOLDER)])  # pip from here: Debian's venv has none
        # The locks are complete, so nothing has to be solved; whether they fit together is asked afterwards.
        _pip("install", "-q", "--no-deps", "--require-hashes", *(part for path in LOCKS for part in ("-r", str(path))))
        _pip("install", "-q", "--no-deps", "-e", str(ROOT))
        _pip("check")
        made.write_text(key)


def _key() -> str:
    """What it depends on: the locks, our metadata, where it lies (it cannot be moved) and its Python."""
    metadata = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    content = b"\0".join([*(path.read_bytes() for path in LOCKS), json.dumps(metadata).encode()])
    return f"{hashlib.sha256(content).hexdigest()} {FOLDER} {sys.version}"


def _pip(*arguments: str) -> None:
    _run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "--python", str(PYTHON), *arguments]
    )


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN, check=False)
    if done.returncode:
        said = (done.stdout + done.stderr).strip()[-2000:]
        raise NotMade(f"{' '.join(command)} failed: {said}")


if __name__ == "__main__":
    try:
        make()
    except NotMade as error:
        sys.exit(f"dev: {error}")
