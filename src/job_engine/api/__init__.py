"""The CIMI API over the record: identity, rights, resources, queries, and what an executor says."""

from job_engine.api.app import make_app
from job_engine.api.settings import ServerSettings

__all__ = ["ServerSettings", "make_app"]
