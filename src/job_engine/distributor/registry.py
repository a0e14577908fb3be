"""The distributions that a distributor makes jobs for, by name."""

from typing import Any, ClassVar

from job_engine.distributor.distribution import Distribution
from job_engine.loading.registry import Registry


class Distributions(Registry[Distribution[..., Any]]):
    """The distributions of a distributor, by name; see `Registry`."""

    what: ClassVar[str] = "distribution"
