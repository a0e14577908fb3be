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

from job_engine.api import acl, passwords, private_file
from job_engine.api.answers import Json, created
from job_engine.api.call import Call
from job_engine.api.groups import ADMIN_NAME, group_id, join, texts
from job_engine.api.settings import ServerSettings
from job_engine.api.state import ApiState
from job_engine.job.errors import Conflict, Invalid
from job_engine.job.times import iso
from job_engine.store import resources
from job_engine.store.resources import Document
from job_engine.store.transaction import Transaction

ADMIN_FILE: Final = "admin.toml"
"""In the data folder: the server's url, maybe its certificate's file, and the administrator's username and password."""
NAME_LIMIT: Final = 255
"""Characters of a user's name, and likewise of a password."""
PASSWORD_MINIMUM: Final = 8


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
    return created(await add(call.api, name, long_enough(password), tuple(claims(template.get("groups", [])))))


def long_enough(password: str) -> str:
    """The password, if it is none that is guessed at once.

    Raises:
        Invalid: it is too short.
    """
    if len(password) < PASSWORD_MINIMUM:
        raise Invalid(
            f"attribute 'password' does not satisfy defined schema: it must have {PASSWORD_MINIMUM} characters or more",
            "password",
        )
    return password


def claims(groups: Any) -> list[str]:
    """The groups that a user's sessions act for.

    Raises:
        Invalid: one is none.
    """
    return [group if group == acl.ADMIN else group_id(group, "groups") for group in texts(groups, "groups")]


async def add(api: ApiState, name: str, password: str, claims: tuple[str, ...] = ()) -> str:
    """Make a user; its id.

    Args:
        claims: groups that the user's sessions act for without a switch.

    Raises:
        Conflict: there is one with this name.
    """
    digest = await digested(password)
    return await api.store.write(_add, name, digest, claims)


async def digested(password: str) -> str:
    """What is kept of a password; made beside the event loop."""
    return await asyncio.to_thread(passwords.digest, password)


def identifier(name: str) -> str:
    """The id of the resource that leads from a user's name to the user; so a name is taken once."""
    return f"user-identifier/{sha256(name.encode(errors='surrogatepass')).hexdigest()[:32]}"


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
        raise Conflict(f"conflict with {identifier(name)}: there is a user {name!r}")
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

    It is made at the first start; later only its url follows. Whoever can read the folder owns the record anyway, so a
    file that was lost is made anew, with a new password.

    Raises:
        JobEngineError: the file cannot be written.
    """
    folder = api.settings.admin_folder
    if folder is None:
        return
    path = folder / ADMIN_FILE
    left, place = _read(path), _place(api.settings)
    known = await api.store.read(by_name, ADMIN_NAME)
    if known is not None and left.get("username") == ADMIN_NAME and isinstance(left.get("password"), str):
        if {"url": left.get("url"), "certificate": left.get("certificate")} != {"certificate": None, **place}:
            _leave(path, place, str(left["password"]))
        return
    password = secrets.token_urlsafe(24)
    if known is None:
        await add(api, ADMIN_NAME, password, (acl.ADMIN,))
    else:
        await api.store.write(_set_password, ADMIN_NAME, await digested(password))
    _leave(path, place, password)


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


def _leave(path: Path, place: dict[str, str], password: str) -> None:
    lines = {**place, "username": ADMIN_NAME, "password": password}
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
    if not isinstance(value, str) or not 0 < len(value) <= NAME_LIMIT or "\x00" in value:
        raise Invalid(
            f"attribute {part!r} does not satisfy defined schema: it must be a text of 1 to {NAME_LIMIT} characters",
            part,
        )
    return value
