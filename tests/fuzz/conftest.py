"""What the fuzz tests share; at the end they say how many inputs they tried and what was checked of them."""

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.fuzz import target

settings.register_profile("fuzz", deadline=None, database=None, suppress_health_check=list(HealthCheck))
settings.load_profile("fuzz")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[target.Target]:
    loop = asyncio.new_event_loop()
    made = target.Target(loop, Path(tmp_path_factory.mktemp("data")))
    yield made
    made.close()
    loop.close()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if target.inputs:
        total = {name: (target.inputs[name], target.checks[name]) for name in sorted(target.inputs)}
        for name, (inputs, checks) in total.items():
            terminalreporter.write_line(f"fuzz: {name}: {inputs} inputs, {checks} checks")
        if counts := os.environ.get("JOB_ENGINE_FUZZ_COUNTS"):
            with Path(counts).open("a") as file:
                file.write(json.dumps(total) + "\n")
