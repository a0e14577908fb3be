#!/usr/bin/env python
"""Nuvla's name for `job-engine restore`."""

from job_engine.cli.upstream import restore

if __name__ == "__main__":
    restore()
