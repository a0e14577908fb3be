"""Upstream's distributions (``nuvla.job_engine`` 5.1): classes as they are, under our leader.

Such a class starts an election and a loop in its constructor, and never comes back from it (contract, section 8). Here
that one step does nothing, so the constructor returns; the leader calls its ``job_generator`` at each tick.
"""

import threading
from collections.abc import Iterator
from functools import cached_property
from types import SimpleNamespace
from typing import Any, Final

from job_engine.client.nuvla import log_in, nuvla_api
from job_engine.distributor.distribution import Distribution
from job_engine.distributor.settings import DistributorSettings
from job_engine.distributor.statsd import Statsd
from job_engine.job.errors import Invalid, JobEngineError
from job_engine.job.schedule import Missed

REGISTRY: Final = "nuvla.job_engine.job.distributions"
"""The package whose decorator registers a class in ``Distributions.distributions``."""
INTERVAL_SECONDS: Final = 60
"""Seconds between two ticks of a class that names no interval."""
CALL_SECONDS: Final = 60.0
"""Seconds that an API server may take to answer such a class; upstream waits for ever."""
UNKNOWN_TYPE_STATUS: Final = 405
"""The status of an answer about a resource type that the server does not have (contract, section 1)."""


class MissingCollectionError(JobEngineError):
    """The API server does not have a collection that the distribution needs."""


class UpstreamDistributor:
    """The object that such a class knows as ``self.distributor``; it logs in when that is first needed."""

    def __init__(self, settings: DistributorSettings, name: str) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._missing = threading.local()
        self.name = name
        self.stop_event = threading.Event()
        self.statsd = Statsd(settings.statsd) if settings.statsd else None
        credentials = settings.credentials
        self.args = SimpleNamespace(
            api_url=settings.api_url, api_user=credentials.username, api_pass=credentials.password,
            api_key=credentials.key, api_secret=credentials.secret, api_insecure=settings.tls.insecure,
            api_authn_header=credentials.header, name=name, statsd=settings.statsd, log_level=settings.log_level,
            zk_hosts=[settings.zookeeper.hosts] if settings.zookeeper else None,
            distribution_exclude=list(settings.exclude),
            distribution_interval=[f"{name}:{seconds:g}" for name, seconds in settings.intervals],
        )  # fmt: skip

    def publish_metric(self, name: str, value: float) -> None:
        """Set a gauge, if there is a statsd server."""
        if self.statsd is not None:
            self.statsd.gauge(name, value)

    @property
    def api(self) -> Any:
        """A ``nuvla.api.Api`` that is logged in.

        Raises:
            Forbidden: the server does not accept the credentials.
        """
        with self._lock:
            return self._api

    @property
    def kz(self) -> Any:
        """A ``KazooClient`` of its own; None without ZooKeeper."""
        with self._lock:
            return self._kazoo

    def missing_collection(self) -> str | None:
        """The collection that a call of this thread wanted and the server has not, since the last time this was asked.
        Some classes take such an answer for an empty one."""
        found: str | None = getattr(self._missing, "collection", None)
        self._missing.collection = None
        return found

    @cached_property
    def _api(self) -> Any:
        credentials = self._settings.credentials
        api = nuvla_api(self._settings.api_url, credentials, tls=self._settings.tls)
        plain = api.session.send

        def send(request: Any, **rest: Any) -> Any:
            return plain(request, **{**rest, "timeout": rest.get("timeout") or CALL_SECONDS})

        api.session.send = send
        api.session.hooks["response"].append(self._answered)
        log_in(api, credentials, "distributor")
        return api

    @cached_property
    def _kazoo(self) -> Any:
        settings = self._settings.zookeeper
        if settings is None:
            return None
        from kazoo.client import KazooClient

        client = KazooClient(settings.hosts, timeout=settings.session_timeout, auth_data=set(settings.auth))
        client.start()
        return client

    def _answered(self, response: Any, *_: Any, **__: Any) -> None:
        if response.status_code == UNKNOWN_TYPE_STATUS:
            self._missing.collection = response.url.partition("/api/")[2].partition("?")[0].partition("/")[0]


def adapted(registered: str, cls: type[Any], host: UpstreamDistributor) -> Distribution[..., Any]:
    """The distribution that a registered class is.

    Raises:
        Invalid: it is none.
    """
    if not callable(getattr(cls, "job_generator", None)):
        raise Invalid(f"{cls!r} is no distribution: it has no method job_generator()")
    still = type(cls.__name__, (cls,), {"_start_distribution": lambda self: None, "__module__": cls.__module__})
    instance = still(host)

    def generate() -> Iterator[Any]:
        host.missing_collection()
        found, failed = 0, None
        try:
            for job in instance.job_generator() or ():
                found += 1
                yield job
        except Exception as error:  # noqa: BLE001 - raised again, unless there is a plainer reason
            failed = error
        missing = host.missing_collection()
        if missing is not None and (failed is not None or not found):
            where = host.args.api_url
            raise MissingCollectionError(f"it needs the collection {missing!r}, which {where} does not have")
        if failed is not None:
            raise failed

    generate.__module__, generate.__qualname__ = cls.__module__, cls.__qualname__
    generate.__doc__ = cls.__doc__
    return Distribution(
        generate,
        getattr(cls, "DISTRIBUTION_NAME", registered),
        every=getattr(instance, "collect_interval", INTERVAL_SECONDS),
        missed=Missed.ONCE,
        registered=registered,
    )
