"""The choice of the distributions that a distributor makes jobs for, and of their intervals."""

import logging
from typing import Any

from job_engine.distributor.builtin import builtin
from job_engine.distributor.distribution import Distribution
from job_engine.distributor.registry import Distributions
from job_engine.distributor.settings import DistributorSettings
from job_engine.job.errors import Invalid
from job_engine.job.schedule import schedule

log = logging.getLogger(__name__)


def chosen(loaded: Distributions, settings: DistributorSettings) -> Distributions:
    """The distributions that the settings ask for, with the built-in ones where nobody else has the name.

    Raises:
        Invalid: there is none of a name in ``only``, or an interval has no meaning.
    """
    every: list[Distribution[..., Any]] = [*loaded]
    every += [own for own in builtin(settings) if own.name not in loaded]
    known = {name for each in every for name in (each.name, each.registered)}
    unknown = sorted(set(settings.only) - known)
    if unknown:
        failed = "".join(f"; {where} does not load: {why}" for where, why in loaded.failed.items())
        raise Invalid(f"there is no distribution {', '.join(unknown)}; there are {', '.join(sorted(known))}{failed}")
    for name in sorted(set(settings.exclude) - {each.registered for each in every}):
        log.warning("there is no distribution %s to leave out", name)
    intervals = dict(settings.intervals)
    for name in sorted(set(intervals) - {each.name for each in every}):
        log.warning("there is no distribution %s to give an interval", name)
    found = Distributions()
    found.failed, found.duplicates = loaded.failed, loaded.duplicates
    for each in every:
        if settings.only and not {each.name, each.registered} & set(settings.only):
            continue
        if each.registered in settings.exclude:
            continue
        if each.name in intervals:
            each.schedule = schedule(every=intervals[each.name])
        found.add(each)
    return found
