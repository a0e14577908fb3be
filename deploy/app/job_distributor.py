#!/usr/bin/env python
"""Nuvla's name for `job-engine distributor`."""

from job_engine.cli.upstream import distributor

if __name__ == "__main__":
    distributor()
