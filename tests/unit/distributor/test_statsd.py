"""Gauges go as datagrams, and nobody has to be there."""

import socket

import pytest

from job_engine import Invalid
from job_engine.distributor.settings import DistributorSettings
from job_engine.distributor.statsd import STATSD_PORT, Statsd
from job_engine.distributor.upstream import UpstreamDistributor


def test_a_gauge_arrives():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(10)
        address = f"127.0.0.1:{server.getsockname()[1]}"
        host = UpstreamDistributor(DistributorSettings(api_url="http://127.0.0.1:1", statsd=address), "me")
        host.publish_metric("job_distribution.deployment_state_old.in_started", 3)
        assert server.recv(100) == b"job_distribution.deployment_state_old.in_started:3|g"
        assert host.args.statsd == address


def test_without_a_server():
    UpstreamDistributor(DistributorSettings(api_url="http://127.0.0.1:1"), "me").publish_metric("x", 1)
    Statsd(f"127.0.0.1:{STATSD_PORT}").gauge("x", 1)
    with pytest.raises(Invalid, match="HOST or HOST:PORT"):
        Statsd(":here")
