"""Users: how they are made, found by name, and the first of them, the administrator."""

import asyncio
import secrets
import time
import tomllib
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import msgspec
from uuid_utils import uuid7

from job_engine.api import acl, credentials, endings, names, password_rules, passwords, private_file, roles
from job_engine.api.audited import about
from job_engine.api.call import Call
from job_engine.api.groups import ADMIN_NAME, join
from job_engine.api.responses import Json, created
from job_engine.api.settings import ServerSettings
from job_engine.api.state import ApiState
from job_engine.job.errors import Conflict, Invalid
from job_engine.job.times import iso
from job_engine.store import resources
from job_engine.store.resources import Document
from job_engine.store.transaction import Transaction

ADMIN_FILE: Final = credentials.ADMIN_FILE
"""In the data folder: the server's url, maybe its certificate's file, the administrator's username and password, and an
API key with its secret."""


async def post(call: Call) -> Json:
    """``POST /api/user`` by an administrator: a user with a name and a password."""
    acl.demand(call.caller.claims, "user", "add")
    sent = await call.json()
    template = sent.get("template") if isinstance(sent, dict) else None
    if not isinstance(template, dict) or template.get("href") != "user-template/username-password":
        raise Invalid(
            "attribute 'template' does not satisfy defined schema: its href must be user-template/username-password",
            "template",
        )
    name, password = (text(template, part) for part in ("username", "password"))
    name = names.normal(name)
    password_rules.checked(password, name)
    return created(await add(call.api, name, password, tuple(roles.claims(template.get("groups", [])))))


async def add(api: ApiState, name: str, password: str, claims: tuple[str, ...] = ()) -> str:
    """Make a user; its id.

    Args:
        claims: groups and roles that the user's sessions act for without a switch.

    Raises:
        Conflict: there is one with this name.
    """
    digest = await digested(password)
    about(api, detail=" ".join(claims))
    return await api.store.write(_add, name, digest, claims)


async def digested(password: str) -> str:
    """What is kept of a password; made beside the event loop."""
    return await asyncio.to_thread(passwords.digest, password)


async def renew_digest(api: ApiState, credential: str, kept: str, password: str) -> None:
    """Digest a password that was right at today's cost."""
    found = await api.store.read(resources.find, credential)
    if credential in api.verifier.renewing or found is None or found["hash"] != kept:
        return
    api.verifier.renewing.add(credential)
    try:
        await api.store.write(_renew, credential, kept, await digested(password))
    finally:
        api.verifier.renewing.discard(credential)


def _renew(tx: Transaction, credential: str, kept: str, digest: str) -> None:
    found = resources.find(tx.connection, credential)
    if found is not None and found["hash"] == kept:  # else there is another password
        resources.change(tx, credential, {"hash": digest})


def identifier(name: str) -> str:
    """The id of the resource that leads from a user's name to the user; so a name is taken once, in any spelling."""
    return f"user-identifier/{sha256(names.folded(name).encode(errors='surrogatepass')).hexdigest()[:32]}"


def by_name(connection: Any, name: str) -> tuple[Document, str] | None:
    """The user with this name, and the digest of the password."""
    found = resources.find(connection, identifier(name))
    user = resources.find(connection, found["parent"]) if found else None
    if user is None or user.get("state") != "ACTIVE":
        return None
    credential = resources.find(connection, user["credential-password"])
    return (user, credential["hash"]) if credential else None


def _add(tx: Transaction, name: str, digest: str, claims: tuple[str, ...]) -> str:
    user, credential = f"user/{uuid7()}", f"credential/{uuid7()}"
    if resources.find(tx.connection, identifier(name)) is not None:
        raise Conflict(f"conflict with {identifier(name)}: there is a user {name!r}, or one whose name looks like it")
    times = {"created": tx.iso, "updated": tx.iso, "created-by": "internal"}
    own = acl.normal({"owners": [acl.ADMIN], "view-meta": [user], "view-data": [user], "edit-meta": [user]})
    documents: list[Document] = [
        {
            "id": user, "resource-type": "user", "name": name, "state": "ACTIVE", "credential-password": credential,
            "login-claims": list(claims), "acl": own, **times,
        },
        {
            "id": credential, "resource-type": "credential", "subtype": "hashed-password",
            "method": "generate-hashed-password", "hash": digest, "parent": user, "acl": acl.owned_by(acl.ADMIN),
            **times,
        },
        name_of(tx, user, name),
    ]  # fmt: skip
    resources.add(tx, documents)
    for group in claims:
        join(tx, group, user)
    return user


def fold_names(connection: Any) -> list[Document]:
    """The resources that lead from names to users, as earlier versions made them: by the name as it was written."""
    found = resources.having(connection, "user-identifier", "resource-type", "user-identifier")
    return [one for one in found if one["id"] != identifier(one["identifier"])]


def fold(tx: Transaction) -> None:
    """Make these anew; of two names that look alike, one keeps its own."""
    for old in fold_names(tx.connection):
        if resources.find(tx.connection, identifier(old["identifier"])) is None:
            resources.delete(tx, old["id"])
            resources.add(tx, [name_of(tx, old["parent"], old["identifier"])])


def name_of(tx: Transaction, user: str, name: str) -> Document:
    """The resource that leads from the name to the user."""
    return {
        "id": identifier(name), "resource-type": "user-identifier", "identifier": name, "parent": user,
        "acl": acl.owned_by(acl.ADMIN), "created": tx.iso, "updated": tx.iso, "created-by": "internal",
    }  # fmt: skip


def _set_password(tx: Transaction, name: str, digest: str) -> None:
    found = resources.find(tx.connection, identifier(name))
    assert found is not None
    user = resources.find(tx.connection, found["parent"])
    assert user is not None
    resources.change(tx, user["credential-password"], {"hash": digest})


# ------------------------------------------------------------------------------------------- the first administrator


async def first_administrator(api: ApiState) -> None:
    """See that the owner of the data folder is an administrator: by ``admin.toml``, which says how to log in.

    People take the name and the password in it; programs take the API key, which no stranger's tries can lock out. The
    file is made at the first start; later only its url follows. Whoever can read the folder owns the record anyway, so
    a file that was lost is made anew, with a new password and a new key.

    Raises:
        JobEngineError: the file cannot be written.
    """
    folder = api.settings.admin_folder
    if folder is None:
        return
    path = folder / ADMIN_FILE
    left = _read(path)
    known = await api.store.read(by_name, ADMIN_NAME)
    password = left.get("password") if left.get("username") == ADMIN_NAME else None
    if known is None or not isinstance(password, str):
        password = secrets.token_urlsafe(24)
        if known is None:
            await add(api, ADMIN_NAME, password, (acl.ADMIN,))
        else:
            await api.store.write(_set_password, ADMIN_NAME, await digested(password))
    key, secret = left.get("key"), left.get("secret")
    if not isinstance(secret, str) or not await api.store.read(_is_key, key, secret):
        secret, digest = passwords.secret()
        key = await api.store.write(_add_key, digest)
    wanted = {**_place(api.settings), "username": ADMIN_NAME, "password": password, "key": key, "secret": secret}
    if wanted != left:
        _leave(path, wanted)


def _is_key(connection: Any, key: Any, secret: str) -> bool:
    found = resources.find(connection, key) if isinstance(key, str) else None
    return found is not None and passwords.verify_secret(secret, found.get("digest", ""))


def _add_key(tx: Transaction, digest: str) -> str:
    """The key of the file; one that there was gets another secret, so that keys made with it stay good."""
    found = by_name(tx.connection, ADMIN_NAME)
    assert found is not None
    user = found[0]["id"]
    for key in resources.having(tx.connection, "credential", "method", ADMIN_FILE):
        resources.change(tx, key["id"], {"digest": digest})
        endings.end_sessions_of(tx, key["id"])
        return str(key["id"])
    document = credentials.new(user, user, (user, acl.USER, acl.ANON, acl.ADMIN), digest)
    resources.add(tx, [{**document, "method": ADMIN_FILE, "name": ADMIN_FILE}])
    return str(document["id"])


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except (OSError, ValueError):
        return {}


def _place(settings: ServerSettings) -> dict[str, str]:
    """Where the server is, for this machine's programs.

    They know its certificate by its file, since nobody certifies an address such as 127.0.0.1. At a url that was given
    something else may answer, with a certificate of its own.
    """
    if settings.certificate is None or settings.url is not None:
        return {"url": settings.base}
    return {"url": settings.base, "certificate": str(settings.certificate)}


def _leave(path: Path, lines: dict[str, Any]) -> None:
    text = "".join(f"{name} = {msgspec.json.encode(value).decode()}\n" for name, value in lines.items())
    private_file.write(
        path, f"# The administrator of the job engine, at {iso(time.time())}; made by its server.\n{text}"
    )


def text(template: dict[str, Any], part: str) -> str:
    """A name or a password in what somebody sent.

    Raises:
        Invalid: it is none, or too long.
    """
    value = template.get(part)
    if not isinstance(value, str) or not 0 < len(value) <= names.LIMIT or "\x00" in value:
        raise Invalid(
            f"attribute {part!r} does not satisfy defined schema: it must be a text of 1 to {names.LIMIT} characters",
            part,
        )
    return value
