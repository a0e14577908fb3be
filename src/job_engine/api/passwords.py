"""Passwords and secrets: kept as digests, compared in constant time, and not tried by the thousand."""

import asyncio
import base64
import hashlib
import hmac
import secrets
import time
from collections import Counter, OrderedDict, deque
from typing import Final

from job_engine.job.errors import Unavailable

LOG_N: Final = 14
"""Cost of scrypt: 2^14 rounds of 1 KiB, about 50 ms and 16 MiB, as RFC 7914 advises for interactive logins."""
AT_ONCE: Final = 2
"""Verifications that run at a time: more would only take the cores from the jobs."""
QUEUE: Final = 64
"""Logins that wait for a verification; more are asked to come back."""
FAILURES: Final = 20
"""Wrong passwords for one name from one address within `WINDOW` after which no more are tried."""
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

_NOBODY: Final = f"scrypt${LOG_N}${base64.b64encode(bytes(16)).decode()}${base64.b64encode(bytes(32)).decode()}"


def digest(password: str) -> str:
    """What is kept of a password."""
    salt = secrets.token_bytes(16)
    return (
        f"scrypt${LOG_N}${base64.b64encode(salt).decode()}${base64.b64encode(_scrypt(password, salt, LOG_N)).decode()}"
    )


def verify(password: str, kept: str) -> bool:
    """Whether ``kept`` is a digest of ``password``."""
    _, cost, salt, expected = kept.split("$")
    return hmac.compare_digest(_scrypt(password, base64.b64decode(salt), int(cost)), base64.b64decode(expected))


def secret() -> tuple[str, str]:
    """A new API key's secret, and what is kept of it: it is random, so a plain digest is enough."""
    value = secrets.token_urlsafe(32)
    return value, _sha256(value)


def verify_secret(value: str, kept: str) -> bool:
    """Whether ``kept`` is the digest of this secret."""
    return hmac.compare_digest(_sha256(value), kept)


class Failures:
    """Who failed lately, by name and address; of too many, who failed last."""

    def __init__(self) -> None:
        # monotonic times, in the order of the last; a plain dict looks for its first key among those that were deleted
        self._times: OrderedDict[tuple[str, str], list[float]] = OrderedDict()
        self._refused: deque[tuple[float, str, str]] = deque(maxlen=COUNTED)

    def __len__(self) -> int:
        return len(self._times)

    def check(self, key: tuple[str, str]) -> None:
        """Raises Unavailable when this name failed too often from this address."""
        since = time.monotonic() - WINDOW
        if sum(at > since for at in self._times.get(key, ())) >= FAILURES:
            raise Unavailable(f"too many wrong credentials for {key[0]!r}; try again in a minute")

    def note(self, key: tuple[str, str], right: bool) -> bool:
        """Remember how an attempt ended; answers ``right``."""
        times = self._times.pop(key, [])
        if right:
            return True
        now = time.monotonic()
        self._refused.append((now, *key))
        self._times[key] = [*(at for at in times[1 - FAILURES :] if at > now - WINDOW), now]
        while len(self._times) > REMEMBERED or next(iter(self._times.values()))[-1] < now - WINDOW:
            self._times.popitem(last=False)
        return False

    def lately(self) -> Counter[tuple[str, str]]:
        """How often each name failed from each address within `WINDOW`, also if it succeeded since."""
        since = time.monotonic() - WINDOW
        return Counter((name, address) for at, name, address in self._refused if at > since)


class Verifier:
    """Verifies passwords beside the event loop, few at a time, and remembers failures.

    Attributes:
        keys: failures with API keys: apart, because they are quick to make, and would push out those with passwords.
    """

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._key = secrets.token_bytes(32)  # so that what is remembered tells nobody a password
        self._proven: dict[bytes, float] = {}  # marks of passwords that were right → until when (monotonic)
        self._verifying: dict[bytes, asyncio.Task[bool]] = {}  # by mark
        self.passwords = Failures()
        self.keys = Failures()

    def refused(self) -> list[tuple[str, str, int]]:
        """Whose passwords and keys were wrong lately, from where, how often; at most `SHOWN`."""
        counts = (self.keys.lately() + self.passwords.lately()).most_common(SHOWN)
        return [(name, address, count) for (name, address), count in counts]

    async def verify(self, name: str, address: str, password: str, kept: str | None) -> bool:
        """Whether ``password`` is right; takes as long for a name that does not exist (``kept`` is None).

        Raises:
            Unavailable: too many are trying, or too often.
        """
        key = (name, address)
        self.passwords.check(key)
        kept = kept or _NOBODY
        mark = hmac.digest(self._key, f"{kept} {password}".encode(errors="surrogatepass"), "sha256")
        right = self._proven.get(mark, 0.0) > time.monotonic() or await self._shared(mark, password, kept)
        return self.passwords.note(key, right and kept is not _NOBODY)

    async def _shared(self, mark: bytes, password: str, kept: str) -> bool:
        """One verification for all who ask for the same at the same time; it goes on when one of them goes away."""
        task = self._verifying.get(mark)
        if task is None:
            if len(self._verifying) >= QUEUE:
                raise Unavailable("too many people log in at this moment; try again in a few seconds")
            task = self._verifying[mark] = asyncio.get_running_loop().create_task(self._verify(password, kept))
            task.add_done_callback(lambda _: self._verifying.pop(mark, None))
        right = await asyncio.shield(task)
        if right:
            self._proven.pop(mark, None)
            while len(self._proven) >= PROVEN:
                del self._proven[next(iter(self._proven))]
            self._proven[mark] = time.monotonic() + PROVEN_FOR
        return right

    async def _verify(self, password: str, kept: str) -> bool:
        async with self._slots:
            return await asyncio.to_thread(verify, password, kept)


def _scrypt(password: str, salt: bytes, cost: int) -> bytes:
    return hashlib.scrypt(password.encode(errors="surrogatepass"), salt=salt, n=1 << cost, r=8, p=1, dklen=32)


def _sha256(value: str) -> str:
    return hashlib.sha256(value.encode(errors="surrogatepass")).hexdigest()
