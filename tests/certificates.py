"""Certificates for a day: an authority, a server's for this machine and engine.example, a client's. Needs `openssl`."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

PASSWORD = "changeit"


@dataclass(frozen=True)
class Certificates:
    """Files, all PEM."""

    authority: Path
    server: Path  # key and certificate in one file, as Java wants them
    client: Path
    client_key: Path  # encrypted with PASSWORD


def make(folder: Path) -> Certificates:
    """Make all of them in a folder."""
    authority = folder / "authority.pem"
    _openssl(
        folder, "req", "-x509", "-subj", "/CN=test authority", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
        "-keyout", "authority.key", "-out", authority.name,
    )  # fmt: skip
    sign(folder, "server", "IP:127.0.0.1,DNS:localhost,DNS:engine.example")
    sign(folder, "client", "DNS:a-client")
    server = folder / "server-both.pem"
    server.write_text((folder / "server.key").read_text() + (folder / "server.pem").read_text())
    key = folder / "client-locked.key"
    _run(folder, "pkcs8", "-topk8", "-in", "client.key", "-out", key.name, "-passout", f"pass:{PASSWORD}")
    return Certificates(authority, server, folder / "client.pem", key)


def sign(folder: Path, name: str, names: str) -> Path:
    """Make NAME.pem, signed by the authority in the folder, and NAME.key; ``names`` as in subjectAltName."""
    _openssl(
        folder, "req", "-x509", "-CA", "authority.pem", "-CAkey", "authority.key", "-subj", f"/CN={name}",
        "-addext", f"subjectAltName={names}", "-addext", "basicConstraints=critical,CA:false",
        "-keyout", f"{name}.key", "-out", f"{name}.pem",
    )  # fmt: skip
    return folder / f"{name}.pem"


def _openssl(folder: Path, *arguments: str) -> None:
    _run(folder, *arguments, "-newkey", "rsa:2048", "-nodes", "-days", "1")


def _run(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)
