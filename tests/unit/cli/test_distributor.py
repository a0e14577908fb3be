"""What is typed for a distributor."""

import click
import pytest

from job_engine import Invalid
from job_engine.cli.commands import distributor
from job_engine.cli.commands.distributor import _interval
from job_engine.cli.group import Session, group
from job_engine.cli.options.parts import keeping


def told(monkeypatch, *arguments):
    """The settings that a command line comes to."""
    seen = []

    def run(settings):
        seen.append(settings)
        return 0

    monkeypatch.setattr("job_engine.distributor.run.run", run)
    assert group.main(["distributor", *arguments], standalone_mode=False, obj=Session()) == 0
    return seen[0]


def test_upstreams_flags_mean_what_they_mean_there(monkeypatch):
    settings = told(
        monkeypatch,
        *("--zk-hosts", "zk1:2181", "zk2:2181", "--api-url", "https://nuvla.io", "--api-insecure"),
        *("--api-authn-header", "group/nuvla-admin", "--name", "Kenny", "--statsd", "metrics:9125", "-l", "DEBUG"),
        *("--nuvlaedge-fs", "/srv", "--distribution-exclude", "monitor_bulk_jobs", "cleanup_jobs"),
        *("--distribution-interval", "deployment_state_new:5", "deployment_state_old:20"),
    )
    assert settings.zookeeper.hosts == "zk1:2181,zk2:2181"
    assert (settings.api_url, settings.tls.insecure, settings.name) == ("https://nuvla.io", True, "Kenny")
    assert settings.credentials.header == "group/nuvla-admin"
    assert settings.exclude == ("monitor_bulk_jobs", "cleanup_jobs")
    assert settings.intervals == (("deployment_state_new", 5.0), ("deployment_state_old", 20.0))
    assert (settings.statsd, settings.log_level) == ("metrics:9125", "DEBUG")


def test_ours(monkeypatch):
    settings = told(
        monkeypatch,
        *("--api-url", "http://x", "--api-key", "k", "--api-secret", "s", "--distributions", "a.py", "b.c"),
        *("--only", "x", "y", "--keep-jobs", "forever"),
    )
    assert (settings.distributions, settings.only, settings.keep_jobs) == (("a.py", "b.c"), ("x", "y"), None)
    assert (settings.zookeeper, settings.wait_for_api, settings.credentials.key) == (None, True, "k")


def test_what_means_nothing_is_refused():
    assert (keeping("7d"), keeping("forever"), keeping("90")) == (604800.0, None, 90.0)
    for wrong in ("0", "soon"):
        with pytest.raises(click.BadParameter):
            keeping(wrong)
    assert _interval("a:b:30") == ("a:b", 30.0)
    with pytest.raises(Invalid, match="NAME:SECONDS"):
        _interval("30")
    assert "--distribution-interval" in distributor.SEVERAL
