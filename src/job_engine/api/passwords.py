"""Passwords and secrets: kept as digests, compared in constant time, and not tried by the thousand."""

import asyncio
import base64
import hashlib
import hmac
import secrets
import time
from collections import Counter, OrderedDict, deque
from typing import Final

from job_engine.api.client_address import place_of
from job_engine.job.errors import Unavailable

LOG_N: Final = 14
ROUNDS: Final = 5
"""Cost of scrypt: five times 2^14 rounds of 1 KiB, one of OWASP's settings of 2023 to 2025 that are equally hard to
guess against; of them the one with the least memory, 16 MiB, so that a server under attack does not grow."""
AT_ONCE: Final = 2
"""Verifications that run at a time: more would only take the cores from the jobs."""
QUEUE: Final = 64
"""Logins that wait for a verification; more are asked to come back."""
FAILURES: Final = 20
"""Wrong passwords for one name from one address within `WINDOW` after which no more are tried."""
SPRAYED: Final = 100
"""Wrong passwords from one address within `WINDOW`, for whatever names; more than `QUEUE`, so that people who come at
once are not refused for each other's tries."""
WINDOW: Final = 60.0
"""Seconds for which wrong passwords are remembered."""
SHOWN: Final = 20
"""Names whose failures an administrator is shown: of more, somebody is guessing."""
COUNTED: Final = 1_000
"""Failures that are counted for administrators."""
PROVEN_FOR: Final = 300.0
"""Seconds for which a password that was right is not digested again: a fleet that starts at once logs in as one user,
and each digest costs the cores as much as ten jobs."""
PROVEN: Final = 1_000
"""Passwords that are known to be right at a time."""
REMEMBERED: Final = 10_000
"""Names whose failures are remembered at a time: more than can be verified within `WINDOW`."""

_COST: Final = f"{LOG_N},{ROUNDS}"
_NOBODY: Final = f"scrypt${_COST}${base64.b64encode(bytes(16)).decode()}${base64.b64encode(bytes(32)).decode()}"


def digest(password: str) -> str:
    """What is kept of a password."""
    salt = secrets.token_bytes(16)
    made = base64.b64encode(_scrypt(password, salt, _COST)).decode()
    return f"scrypt${_COST}${base64.b64encode(salt).decode()}${made}"


def verify(password: str, kept: str) -> bool:
    """Whether ``kept`` is a digest of ``password``."""
    _, cost, salt, expected = kept.split("$")
    return hmac.compare_digest(_scrypt(password, base64.b64decode(salt), cost), base64.b64decode(expected))


def outdated(kept: str) -> bool:
    """Whether a digest was made at another cost than today's."""
    return kept.split("$")[1] != _COST


def secret() -> tuple[str, str]:
    """A new API key's secret, and what is kept of it: it is random, so a plain digest is enough."""
    value = secrets.token_urlsafe(32)
    return value, _sha256(value)


def verify_secret(value: str, kept: str) -> bool:
    """Whether ``kept`` is the digest of this secret."""
    return hmac.compare_digest(_sha256(value), kept)


class LockedOut(Unavailable):
    """Too many wrong credentials were tried; no more are looked at for a while."""


class Tries:
    """Who tries what lately, by any name; of too many, who tried last.

    A try counts before it is made, so that a thousand at once are no more than a thousand in a row, and until it is
    taken back because it was right.
    """

    def __init__(self) -> None:
        # monotonic times, in the order of the last; a plain dict looks for its first key among those that were deleted
        self._times: OrderedDict[tuple[str, ...], list[float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._times)

    def many(self, key: tuple[str, ...], limit: int) -> bool:
        """Whether no more are to be made for now."""
        since = time.monotonic() - WINDOW
        return sum(at > since for at in self._times.get(key, ())) >= limit

    def add(self, key: tuple[str, ...], limit: int) -> float:
        """Count a try; answers its time, by which it can be taken back."""
        now = time.monotonic()
        times = self._times.pop(key, [])
        self._times[key] = [*(at for at in times[1 - limit :] if at > now - WINDOW), now]
        while len(self._times) > REMEMBERED or next(iter(self._times.values()))[-1] < now - WINDOW:
            self._times.popitem(last=False)
        return now

    def take_back(self, key: tuple[str, ...], at: float) -> None:
        """Forget one try."""
        left = [time for time in self._times.get(key, ()) if time != at]
        if left:
            self._times[key] = left
        else:
            self._times.pop(key, None)

    def forget(self, key: tuple[str, ...]) -> None:
        """Forget all of a name."""
        self._times.pop(key, None)


class Verifier:
    """Verifies passwords beside the event loop, few at a time, and remembers tries.

    API keys are not tried by the thousand: nobody guesses 256 bits, and to compare them costs nothing. So no stranger
    can lock out what logs in with one.
    """

    def __init__(self) -> None:
        self._slots = {known: asyncio.Semaphore(AT_ONCE) for known in (False, True)}
        self._key = secrets.token_bytes(32)  # so that what is remembered tells nobody a password
        self._proven: dict[bytes, float] = {}  # marks of passwords that were right → until when (monotonic)
        self._verifying: dict[bytes, asyncio.Task[bool]] = {}  # by mark
        self.tries = Tries()
        self.renewing: set[str] = set()  # credentials whose digest is made at today's cost at the moment
        self._refused: deque[tuple[float, str, str]] = deque(maxlen=COUNTED)

    def note(self, name: str, address: str) -> None:
        """Remember for administrators that credentials were wrong."""
        self._refused.append((time.monotonic(), name, address))

    def refused(self) -> list[tuple[str, str, int]]:
        """Whose passwords and keys were wrong lately, from where, how often; at most `SHOWN`."""
        since = time.monotonic() - WINDOW
        counts = Counter((name, address) for at, name, address in self._refused if at > since)
        return [(name, address, count) for (name, address), count in counts.most_common(SHOWN)]

    async def verify(self, name: str, address: str, password: str, kept: str | None, device: str | None = None) -> bool:
        """Whether ``password`` is right; takes as long for a name that does not exist (``kept`` is None).

        Args:
            device: by which the user was signed in before: its tries are counted apart from those of strangers, and
                do not wait for theirs.

        Raises:
            Unavailable: too many are trying, or too often.
        """
        place = place_of(address)
        limits: dict[tuple[str, ...], int]
        limits = {(name, device): FAILURES} if device else {(name, place): FAILURES, (place,): SPRAYED}
        for key, limit in limits.items():
            if self.tries.many(key, limit):
                what = f"for {name!r}" if len(key) > 1 else f"from {place}"
                raise LockedOut(f"too many wrong credentials {what}; try again in a minute")
        kept = kept or _NOBODY
        mark = hmac.digest(self._key, f"{kept} {password}".encode(errors="surrogatepass"), "sha256")
        right = self._proven.get(mark, 0.0) > time.monotonic() or await self._shared(mark, password, kept, limits)
        if right and kept is not _NOBODY:
            self.tries.forget(next(iter(limits)))
            return True
        self.note(name, address)
        return False

    async def _shared(self, mark: bytes, password: str, kept: str, limits: dict[tuple[str, ...], int]) -> bool:
        """One verification for all who ask for the same at the same time; it goes on when one of them goes away."""
        task = self._verifying.get(mark)
        if task is None:
            known = len(limits) == 1
            if not known and len(self._verifying) >= QUEUE:
                raise Unavailable("too many people log in at this moment; try again in a few seconds")
            tries = {key: self.tries.add(key, limit) for key, limit in limits.items()}
            task = asyncio.get_running_loop().create_task(self._verify(password, kept, known, tries))
            self._verifying[mark] = task
            task.add_done_callback(lambda _: self._verifying.pop(mark, None))
        right = await asyncio.shield(task)
        if right:
            self._proven.pop(mark, None)
            while len(self._proven) >= PROVEN:
                del self._proven[next(iter(self._proven))]
            self._proven[mark] = time.monotonic() + PROVEN_FOR
        return right

    async def _verify(self, password: str, kept: str, known: bool, tries: dict[tuple[str, ...], float]) -> bool:
        async with self._slots[known]:
            right = await asyncio.to_thread(verify, password, kept)
        if right and kept is not _NOBODY:
            for key, at in tries.items():
                self.tries.take_back(key, at)
        return right


def _scrypt(password: str, salt: bytes, cost: str) -> bytes:
    """The digest at a cost of ``LOG_N,ROUNDS``; earlier ones have one round, and do not say so."""
    log_n, _, rounds = cost.partition(",")
    return hashlib.scrypt(
        password.encode(errors="surrogatepass"), salt=salt, n=1 << int(log_n), r=8, p=int(rounds or 1), dklen=32
    )


def _sha256(value: str) -> str:
    return hashlib.sha256(value.encode(errors="surrogatepass")).hexdigest()
