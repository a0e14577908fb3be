"""Errors of the connection to ZooKeeper."""

from job_engine.job.errors import Unavailable


class Unanswered(Unavailable):
    """ZooKeeper did not answer: the call may have been applied or not. Wait for the connection, then read."""


class SessionLost(Unavailable):
    """The ZooKeeper session has ended; whatever was taken in it is free for others."""
