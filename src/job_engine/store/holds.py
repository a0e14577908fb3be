"""What an executor holds, as the record has it."""

from msgspec import Struct


class Claimed(Struct, frozen=True, gc=False):  # not a NamedTuple: an exchange makes hundreds
    """One job that is held."""

    claim: int
    id: str
    attempt: int


Holds = dict[int, Claimed]
"""The holds of one executor, by number of the job."""
