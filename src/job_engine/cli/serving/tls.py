"""TLS of a server: its certificate, and the authorities that sign executors' certificates."""

import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from job_engine.cli.options.shared import F, engine_option
from job_engine.client.tls import FileContext, load_authorities, load_pair
from job_engine.job.errors import Invalid


@dataclass(frozen=True, slots=True)
class ServerTls:
    """Files, all in PEM: the server's certificate with its chain, the key (None: in the same file), and the authorities
    whose certificates executors and distributors have to show (None: they need none)."""

    certificate: str
    key: str | None = None
    client_ca: str | None = None

    def context(self) -> ssl.SSLContext:
        """How to serve; connections that begin after the files have changed use what is in them then.

        Raises:
            Invalid: a file is missing, or not what it should be.
        """
        return FileContext.of(ssl.PROTOCOL_TLS_SERVER, self._made, (self.certificate, self.key, self.client_ca))

    def _made(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        load_pair(context, self.certificate, self.key)
        if self.client_ca is not None:
            load_authorities(context, self.client_ca)
            context.verify_mode = ssl.CERT_OPTIONAL  # browsers and people have none: each request says what it needs
        return context


def tls_options(function: F) -> F:
    """Adds ``--tls-cert`` and ``--tls-key``; the function gets ``tls``: a `ServerTls`, or None without them."""

    @wraps(function)
    def with_tls(*arguments: Any, tls_cert: str | None, tls_key: str | None, **rest: Any) -> Any:
        client_ca = rest.pop("tls_client_ca", None)
        if tls_cert is None and (tls_key or client_ca):
            flag = "--tls-key" if tls_key else "--tls-client-ca"
            raise Invalid(f"{flag} needs the server's certificate too: give it with --tls-cert")
        files = (None if file is None else os.path.abspath(file) for file in (tls_key, client_ca))
        tls = None if tls_cert is None else ServerTls(os.path.abspath(tls_cert), *files)
        return function(*arguments, tls=tls, **rest)

    key = engine_option("--tls-key", metavar="FILE", help="The key of --tls-cert.  [default: in the same file]")
    certificate = engine_option(
        "--tls-cert",
        metavar="FILE",
        help="Serve https with this certificate and the chain behind it, in PEM; read again when it changes.",
    )
    return certificate(key(with_tls))  # type: ignore[no-any-return]


client_ca_option: Callable[[F], F] = engine_option(
    "--tls-client-ca",
    metavar="FILE",
    help="Let executors and distributors work only with a certificate of these authorities, beside their credentials.",
)
