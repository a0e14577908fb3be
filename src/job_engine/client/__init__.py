"""Talks to an API server, ours or Nuvla's: what engines, authors and the command line use."""

from job_engine.client.client import Client
from job_engine.client.handle import JobCanceled, JobFailed, JobHandle

__all__ = ["Client", "JobCanceled", "JobFailed", "JobHandle"]
