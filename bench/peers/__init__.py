"""One file a peer. Each is imported by the peer's own worker and by ``kit.client``, in the bench's environment.

A peer's file defines the two tasks, ``add_noop(n)`` and ``add_stamp(path, sent)`` that enqueue them, and ``PEER``:

- ``worker``: the command that starts its workers, its first word a program of the bench's environment;
- ``unfinished``: what its queue is asked (commands of Redis, queries of SQLite), whose answers add up to the number of
  jobs not yet finished;
- ``jobs``: how many jobs a burn-down has at most, so that a slow peer does not take minutes;
- ``stop``: the signal that makes its worker stop.
"""

NAMES = ("peer_huey", "peer_dramatiq", "peer_celery", "peer_rq")
DURABLE = ("redis", "sqlite")
"""Where Huey, the fastest of them, also runs with each job on disk before its client is answered."""
