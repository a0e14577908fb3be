#!/usr/bin/env python
"""Nuvla's name for `job-engine executor`."""

from job_engine.cli.upstream import executor

if __name__ == "__main__":
    executor()
