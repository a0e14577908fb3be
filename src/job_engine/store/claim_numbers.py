"""The numbers of claims: with the number of its job one names a hold, and is the secret of who holds it.

Whoever has the number may write to the held job and end it, by `attend` or in a ``Job-Hold``. So it tells nothing about
the number of any other claim, and no document shows it.
"""

from collections.abc import Callable
from hashlib import blake2b

ClaimNumber = Callable[[int, int], int]
"""The number of the claim by which an attempt holds a job, by the numbers of both."""


def drawn_from(key: bytes) -> ClaimNumber:
    """Numbers that nobody can guess who does not have ``key``, of 63 bits.

    The key is drawn whenever the record is opened: a backup brings the numbers of jobs and attempts back, and the
    claims that are made then have other numbers all the same.
    """
    keyed = blake2b(key=key, digest_size=8)

    def number(seq: int, attempt: int) -> int:
        digest = keyed.copy()
        digest.update(b"%d %d" % (seq, attempt))
        return int.from_bytes(digest.digest(), "big") >> 1

    return number
