"""CIMI filters: text to conditions."""

from job_engine.api.filter.parse import parse

__all__ = ["parse"]
