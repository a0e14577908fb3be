"""Upstream's own distributions, unmodified, under our leader: all load, those that find what they need make jobs."""

from pathlib import Path

import pytest

from tests.integration.running import eventually, running
from tests.upstream.conftest import DISTRIBUTIONS
from tests.upstream.scene import Scene

INTERVALS = {
    "cleanup_jobs": "86400s", "deployment_set_automatic_update": "60s", "deployment_state_new": "10s",
    "deployment_state_old": "60s", "handle_trial_end": "1800s", "monitor_bulk_job": "30s",
    "notify_coupon_end": "3600s", "nuvlabox_cluster_cleanup": "86400s", "nuvlabox_offline": "30s",
    "refresh_customer_subscription_cache": "3600s", "register_usage_record": "1800s",
    "register_usage_record_updated_deployment": "60s", "update_nuvlabox_releases": "86400s",
    "update_vulnerabilities_database": "86400s",
}  # fmt: skip
SIMPLE = ("cleanup_jobs", "nuvlabox_cluster_cleanup", "update_nuvlabox_releases", "update_vulnerabilities_database")
LACKING = {
    "handle_trial_end": "hook",
    "notify_coupon_end": "hook",
    "refresh_customer_subscription_cache": "customer",
    "register_usage_record": "customer",
}


@pytest.fixture(scope="module")
def distributed(python: Path, tmp_path_factory: pytest.TempPathFactory):
    program = str(python.with_name("job-engine"))
    environ = {"JOB_ENGINE_TRUST_AUTHN_HEADER": "127.0.0.1/32"}
    folder = tmp_path_factory.mktemp("up") / "data"
    with running(folder, "--distributions", DISTRIBUTIONS, "--nuvla-types", environ=environ, program=program) as up:
        client = up.client()
        eventually(lambda: len(client.distributions()) == len(INTERVALS))
        yield Scene(up), client


def test_all_load_with_their_intervals(distributed):
    _, client = distributed
    assert {document["name"]: document["every"] for document in client.distributions()} == INTERVALS


@pytest.mark.parametrize("name", SIMPLE)
def test_those_of_one_job_make_it(distributed, name):
    _, client = distributed
    made = f"action='{name}'"
    before = client.count(made)
    client.run_distribution(name)
    eventually(lambda: client.count(made) == before + 1)
    job = client.jobs(made)[0]
    assert job.document["target-resource"]["href"] == "job"


@pytest.mark.parametrize(("name", "collection"), LACKING.items())
def test_those_that_need_other_collections_say_so(distributed, name, collection):
    _, client = distributed
    client.run_distribution(name)
    said = eventually(lambda: client.distribution(name).get("last-error"))
    assert f"needs the collection '{collection}'" in said
    assert client.distribution(name)["jobs-made"] == 0


def test_those_that_find_documents_make_jobs_for_them(distributed):
    scene, client = distributed
    deployment = scene.document("deployment", state="STARTED", name="web")
    client.run_distribution("deployment_state_new")
    eventually(lambda: client.count(f"action='deployment_state_10' and target-resource/href='{deployment}'"))
