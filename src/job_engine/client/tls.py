"""TLS: contexts made of files, and made anew when the files have changed: a renewed certificate needs no restart."""

import logging
import os
import re
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from job_engine.job.errors import Invalid

log = logging.getLogger(__name__)

_CERTIFICATE: Final = re.compile(r"-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """What a client trusts and shows where an API server's URL begins with ``https``; all of it files in PEM."""

    insecure: bool = False  # accept any certificate of the server
    ca: str | None = None  # certificates of authorities, instead of the system's
    certificate: str | None = None  # ours, for a server that asks executors for one
    key: str | None = None  # its key; None: in the same file
    pinned: str | None = None  # the server's own certificate, which is then the only one accepted, under any name

    def context(self) -> ssl.SSLContext:
        """How to encrypt; the files are read when it is first asked for, and again when they have changed.

        Raises:
            Invalid: a file is missing, or not what it should be.
        """
        return _context(self, ssl.get_default_verify_paths())


VERIFY: Final = Tls()
"""Trusts the system's authorities, and shows nothing."""


class FileContext(ssl.SSLContext):
    """A context whose files may change: each connection that begins uses what is in them then, and those that are open
    go on. When they become unreadable, or do not fit each other, what was read before stays good.

    Args:
        make: reads the files; raises Invalid.
        files: whose change makes it read them again.
    """

    _make: Callable[[], ssl.SSLContext]
    _files: Sequence[str]
    _made: ssl.SSLContext
    _seen: Sequence[tuple[int, ...] | None]

    @classmethod
    def of(cls, protocol: int, make: Callable[[], ssl.SSLContext], files: Sequence[str | None]) -> "FileContext":
        """A context; raises Invalid."""
        context = cls(protocol)
        context._make, context._files = make, [file for file in files if file is not None]
        context._seen = context._stamps()
        context._made = make()
        return context

    def wrap_bio(self, *arguments: Any, **settings: Any) -> ssl.SSLObject:
        """Part of `ssl.SSLContext`, for event loops."""
        return self._current().wrap_bio(*arguments, **settings)

    def wrap_socket(self, *arguments: Any, **settings: Any) -> ssl.SSLSocket:
        """Part of `ssl.SSLContext`, for blocking connections."""
        return self._current().wrap_socket(*arguments, **settings)

    def _current(self) -> ssl.SSLContext:
        seen = self._stamps()
        if seen != self._seen:
            self._seen = seen
            try:
                self._made = self._make()
            except Invalid as error:
                log.warning("%s; what was read before is used until that is repaired", error)
            else:
                log.info("read anew, because it has changed: %s", ", ".join(self._files))
        return self._made

    def _stamps(self) -> list[tuple[int, ...] | None]:
        return [_stamp(file) for file in self._files]


def load_pair(context: ssl.SSLContext, certificate: str, key: str | None) -> None:
    """Have ``context`` show a certificate, its chain behind it in the same file.

    Raises:
        Invalid: a file is missing or not PEM, or they do not belong together, or the key has a password.
    """
    both = certificate if key is None else f"{certificate} and {key}"

    def password() -> str:
        raise Invalid(f"the key in {key or certificate} has a password; give one without, readable for its owner only")

    for file in (certificate, key):
        if file is not None:
            _readable(file)
    try:
        context.load_cert_chain(certificate, key, password)
    except ssl.SSLError as error:
        why = "the key is that of another certificate" if error.reason == "KEY_VALUES_MISMATCH" else _said(error)
        raise Invalid(f"{both} cannot be used as certificate and key: {why}") from None


def load_authorities(context: ssl.SSLContext, ca: str) -> None:
    """Have ``context`` trust the authorities in a file.

    Raises:
        Invalid: it is missing or not PEM.
    """
    _readable(ca)
    try:
        context.load_verify_locations(ca)
    except ssl.SSLError as error:
        raise Invalid(f"{ca} has no certificates of authorities in PEM: {_said(error)}") from None


@lru_cache(maxsize=16)
def _context(tls: Tls, _system: object) -> ssl.SSLContext:
    files = (tls.pinned, tls.ca, tls.certificate, tls.key)
    if not any(files):
        return _made(tls)
    return FileContext.of(ssl.PROTOCOL_TLS_CLIENT, lambda: _made(tls), files)


def _made(tls: Tls) -> ssl.SSLContext:
    if tls.pinned is not None and not tls.insecure:
        context = _pinning(tls.pinned)
    elif tls.ca is not None and not tls.insecure:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        load_authorities(context, tls.ca)
    else:
        context = ssl.create_default_context()
    if tls.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.certificate is not None:
        load_pair(context, tls.certificate, tls.key)
    return context


def _pinning(file: str) -> ssl.SSLContext:
    """Accepts the first certificate in the file, and nothing that those behind it have signed: under any name, only the
    holder of its key can show it."""
    found = _CERTIFICATE.search(_readable(file))
    if found is None:
        raise Invalid(f"{file} has no certificate in PEM")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        context.load_verify_locations(cadata=found[0])
    except ssl.SSLError as error:
        raise Invalid(f"{file} has no certificate in PEM: {_said(error)}") from None
    return context


def _stamp(file: str) -> tuple[int, ...] | None:
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_size


def _readable(file: str) -> str:
    try:
        with open(file, encoding="ascii", errors="replace") as opened:
            return opened.read()
    except OSError as error:
        raise Invalid(f"{file} cannot be read: {error.strerror}") from None


def _said(error: ssl.SSLError) -> str:
    return error.reason.replace("_", " ").lower() if error.reason else "it is not PEM of that kind"
