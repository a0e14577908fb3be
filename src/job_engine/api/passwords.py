"""Passwords and secrets: kept as digests, compared in constant time, and not tried by the thousand."""

import asyncio
import base64
import hashlib
import hmac
import secrets
import time
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


class Verifier:
    """Verifies passwords beside the event loop, few at a time, and remembers failures."""

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0
        self._failed: dict[tuple[str, str], list[float]] = {}

    async def verify(self, name: str, address: str, password: str, kept: str | None) -> bool:
        """Whether ``password`` is right; takes as long for a name that does not exist (``kept`` is None).

        Raises:
            Unavailable: too many are trying, or too often.
        """
        key = (name, address)
        self.check(key)
        if self._waiting >= QUEUE:
            raise Unavailable("too many people log in at this moment; try again in a few seconds")
        self._waiting += 1
        try:
            async with self._slots:
                right = await asyncio.to_thread(verify, password, kept or _NOBODY)
        finally:
            self._waiting -= 1
        return self.note(key, right and kept is not None)

    def check(self, key: tuple[str, str]) -> None:
        """Raises Unavailable when this name failed too often from this address."""
        since = time.monotonic() - WINDOW
        recent = [at for at in self._failed.get(key, ()) if at > since]
        if len(recent) >= FAILURES:
            raise Unavailable(f"too many wrong credentials for {key[0]!r}; try again in a minute")

    def note(self, key: tuple[str, str], right: bool) -> bool:
        """Remember how an attempt ended; answers ``right``."""
        if right:
            self._failed.pop(key, None)
        else:
            since = time.monotonic() - WINDOW
            if len(self._failed) > 10_000:  # somebody tries many names: keep only what still counts
                self._failed = {k: times for k, times in self._failed.items() if times[-1] > since}
            self._failed[key] = [at for at in self._failed.get(key, ()) if at > since] + [time.monotonic()]
        return right


def _scrypt(password: str, salt: bytes, cost: int) -> bytes:
    return hashlib.scrypt(password.encode(errors="surrogatepass"), salt=salt, n=1 << cost, r=8, p=1, dklen=32)


def _sha256(value: str) -> str:
    return hashlib.sha256(value.encode(errors="surrogatepass")).hexdigest()
