"""The compose files: Compose takes them, and the services of the cluster work together as they say."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.image.conftest import Make
from tests.image.container import Container, eventually
from tests.zookeeper import free_port

DEPLOY = Path(__file__).parents[2] / "deploy"


def services(container: Container, file: str) -> dict[str, Any]:
    """What Compose makes of a file; the image has it."""
    done = container.run(
        "docker", "compose", "--file", f"/deploy/{file}", "config", "--format", "json", volumes=[f"{DEPLOY}:/deploy:ro"]
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return dict(json.loads(done.stdout)["services"])


def test_the_cluster_works(make: Make, zk: str, tmp_path: Path) -> None:
    port, data, actions = free_port(), tmp_path / "data", tmp_path / "actions"
    for folder in (data, actions):
        folder.mkdir()
    shutil.chown(data, 1000, 0)
    (actions / "greet.py").write_text("from job_engine import action\n\n@action\ndef greet():\n    return 'hello'\n")
    actions.chmod(0o755)
    tmp_path.chmod(0o755)
    # All share this machine's network here, so names and ports are others; and buildah has its own volume at /data.
    places = {"/data": f"{data}:/record", "/actions": f"{actions}:/actions"}

    def start(container: Container, name: str, *more: str) -> None:
        service = described[name]
        environ = {
            key: value.replace("zookeeper:2181", zk).replace("server:8080", f"127.0.0.1:{port}")
            for key, value in service["environment"].items()
        }
        volumes = [
            f"{places[volume['target']]}:{'ro' if volume.get('read_only') else 'rw'}" for volume in service["volumes"]
        ]
        environ["JOB_ENGINE_DATA"] = "/record"
        container.start(*service["command"], *more, environ=environ, volumes=volumes)

    server, executor, distributor = make("job"), make("job"), make("job")
    described = services(server, "compose.yaml")
    assert set(described) == {"zookeeper", "server", "executor", "distributor"}
    start(server, "server", "--port", str(port))
    eventually(lambda: (data / "admin.toml").exists() and server.well())  # the others depend on that
    start(executor, "executor")
    start(distributor, "distributor")
    engine = ("env", "JOB_ENGINE_DATA=/record", "job-engine")
    shared = [f"{data}:/record:ro"]
    done = executor.run(*engine, "submit", "greet", "--wait", volumes=shared)
    assert (done.returncode, done.stdout) == (0, '"hello"\n'), done.stderr
    eventually(lambda: "cleanup_jobs" in executor.run(*engine, "distributions", volumes=shared).stdout)
    assert executor.well()
    assert distributor.well()


def test_nuvlas_services_start_our_programs_as_nuvla_starts_its_own(make: Make) -> None:
    described = services(make("job"), "compose-nuvla.yaml")
    assert described["job-executor"]["command"][:2] == ["--", "/app/job_executor.py"]
    assert described["job-distributor"]["entrypoint"] == ["/app/job_distributor.py"]


@pytest.mark.parametrize("file", sorted(path.name for path in DEPLOY.glob("compose*.yaml")))
def test_jobs_get_the_time_to_end(file: str, make: Make) -> None:
    for name, service in services(make("job"), file).items():
        if "executor" in name:
            assert service["stop_grace_period"] == "2m10s"
