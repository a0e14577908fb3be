"""Upstream's actions under our loader, in the environment that has both."""

import json
import subprocess
import textwrap
from pathlib import Path
from typing import Any

import pytest

from tests.integration.running import clean

pytestmark = pytest.mark.timeout(600)  # the first one may make the environment

LOAD = """
import json
from job_engine.actions.load import load
loaded = load(["nuvla.job_engine.job.actions"], entry_points=False)
from nuvla.job_engine.job.actions import Actions
print(json.dumps({
    "theirs": sorted(Actions.actions),
    "ours": [action.name for action in loaded if Actions.actions.get(action.name) is action.target],
    "pull": [action.name for action in loaded if action.pull_mode_support],
    "failed": loaded.failed,
    "duplicates": loaded.duplicates,
}))
"""
WITHOUT_DOCKER = """
import sys
class NoDocker:
    def find_spec(self, name, path=None, target=None):
        if name == "docker":
            raise ModuleNotFoundError("No module named 'docker'", name=name)
sys.meta_path.insert(0, NoDocker())
"""


def loaded(python: Path, before: str = "", **environ: str) -> dict[str, Any]:
    done = subprocess.run(
        [python, "-c", textwrap.dedent(before + LOAD)],
        capture_output=True,
        text=True,
        env=clean() | environ,
        check=True,
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_all_load(python: Path) -> None:
    found = loaded(python)
    assert len(found["theirs"]) == 49
    assert found["ours"] == found["theirs"]
    assert (found["failed"], found["duplicates"]) == ({}, [])


def test_what_supports_pull_mode_is_what_upstreams_light_image_loads(python: Path) -> None:
    light = loaded(python, IMAGE_NAME="job-lite")
    assert len(light["theirs"]) == 22
    assert light["pull"] == light["theirs"] == loaded(python)["pull"]


def test_a_missing_library_is_named_and_the_others_load(python: Path) -> None:
    found = loaded(python, WITHOUT_DOCKER)
    assert len(found["ours"]) == len(found["theirs"]) > 30
    assert found["failed"]["nuvla.job_engine.job.actions.nuvlabox_reboot"].startswith(
        "ModuleNotFoundError: No module named 'docker'"
    )
