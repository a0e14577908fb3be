"""What can go wrong between us and ZooKeeper."""

from job_engine.job.errors import Unavailable


class Unanswered(Unavailable):
    """ZooKeeper did not answer: the call may have been done, or not. Wait for the connection, then look."""


class SessionLost(Unavailable):
    """The ZooKeeper session has ended; whatever was taken in it is free for others."""
