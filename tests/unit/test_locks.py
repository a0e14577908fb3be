"""The locks that pip reads say what poetry.lock says, and poetry.lock covers what pyproject.toml asks for."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PINNED = re.compile(r"^([a-z0-9-]+)(?:\[[a-z0-9,-]+\])?==(\S+)(?: ; .*?)?( \\)?$")


def toml(name: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / name).read_text())


def locked() -> dict[str, str]:
    return {package["name"]: package["version"] for package in toml("poetry.lock")["package"]}


def pinned(name: str) -> dict[str, str]:
    lines = [line for line in (ROOT / name).read_text().splitlines() if not line.startswith((" ", "#"))]
    found = [PINNED.match(line) for line in lines]
    assert all(found), f"{name} has a line that pins nothing"
    assert all(match[3] for match in found if match), f"{name} has a package without hashes"
    return {match[1]: match[2] for match in found if match}


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=!~; ]", requirement)[0] for requirement in requirements}


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_pip_gets_the_versions_that_poetry_locked(name: str) -> None:
    versions = locked()
    differing = {package: version for package, version in pinned(name).items() if versions.get(package) != version}
    assert not differing, f"{name} is not what poetry.lock says: run ./dev lock"


def test_the_development_lock_holds_the_runtime_lock() -> None:
    assert pinned("requirements.lock").items() <= pinned("requirements-dev.lock").items()


def test_each_dependency_is_in_the_lock_that_installs_it() -> None:
    project = toml("pyproject.toml")
    groups = project["tool"]["poetry"]["group"]
    assert names(project["project"]["dependencies"]) <= pinned("requirements.lock").keys()
    for group in ("server", "test"):
        assert groups[group]["dependencies"].keys() <= pinned("requirements-dev.lock").keys()
