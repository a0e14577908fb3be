"""Groups, their members, and what ends when somebody is a member, or a user, no more."""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from job_engine.api import acl, endings
from job_engine.api.audited import about
from job_engine.api.call import Call
from job_engine.api.identity import Caller
from job_engine.api.resources import find, shown
from job_engine.api.responses import Json, created, deleted
from job_engine.job.attributes import checked
from job_engine.job.errors import Conflict, Invalid
from job_engine.store import resources
from job_engine.store.resources import Document
from job_engine.store.transaction import Transaction

NAME_LIMIT: Final = 255
"""Characters of a group's id."""
ADMIN_NAME: Final = "admin"
"""Of the user in ``admin.toml``."""
_ID: Final = re.compile(r"group/(?!nuvla-)[a-z0-9]+([-_][a-z0-9]+)*")


async def post(call: Call) -> Json:
    """``POST /api/group`` by an administrator: a group without members."""
    acl.demand(call.caller.claims, "group", "add")
    sent = await call.json()
    template = sent.get("template") if isinstance(sent, dict) else None
    if not isinstance(template, dict) or template.get("href") != "group-template/generic":
        raise Invalid(
            "attribute 'template' does not satisfy defined schema: its href must be group-template/generic", "template"
        )
    id_ = group_id(f"group/{template.get('group-identifier')}", "group-identifier")
    described = {name: checked(name, template[name]) for name in ("name", "description") if name in template}
    about(call.api, on=id_)
    await call.api.store.write(_make, id_, (), described)
    return created(id_)


async def put(call: Call) -> Json:
    """``PUT /api/group/ID`` by an administrator: its ``users``, name and description."""
    await call.api.store.read(find, call.id, call.caller, "edit-data")
    sent = await call.json()
    if not isinstance(sent, dict):
        raise Invalid("the body is not a JSON object")
    changes = {name: checked(name, sent[name]) for name in ("name", "description", "tags") if name in sent}
    if "users" in sent:
        changes["users"] = texts(sent["users"], "users")
    about(call.api, detail=", ".join(f"{name}: {value}" for name, value in changes.items()))
    document, gone = await call.api.store.write(_edit, call.id, call.caller, changes)
    for user in gone:
        call.api.identities.forget_user(user)
    return Json(shown(document, call.caller))


async def delete(call: Call) -> Json:
    """``DELETE /api/group/ID`` by an administrator; nobody acts for it any more."""
    for user in await call.api.store.write(_delete, call.id, call.caller):
        call.api.identities.forget_user(user)
    return deleted(call.id)


def group_id(value: Any, attribute: str) -> str:
    """The id of a group that may be made.

    Raises:
        Invalid: it is none.
    """
    if not isinstance(value, str) or len(value) > NAME_LIMIT or _ID.fullmatch(value) is None:
        raise Invalid(
            f"attribute {attribute!r} does not satisfy defined schema: a group is called by small letters and digits,"
            " with - or _ between them, and not nuvla-...",
            attribute,
        )
    return value


def texts(value: Any, attribute: str) -> list[str]:
    """A list of texts, each once.

    Raises:
        Invalid: it is none.
    """
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise Invalid(f"attribute {attribute!r} does not satisfy defined schema: it must be a list of texts", attribute)
    return list(dict.fromkeys(value))


def join(tx: Transaction, group: str, user: str) -> None:
    """Make the user a member; the group is made with its first. A claim that names actions is no group."""
    if group.startswith(acl.ACTION):
        return
    found = resources.find(tx.connection, group)
    if found is None:
        _make(tx, group, (user,), {})
    elif user not in found.get("users", ()):
        resources.change(tx, group, {"users": [*found.get("users", ()), user]})


def leave(tx: Transaction, group: str, user: str) -> None:
    """Let the user be a member no more."""
    found = resources.find(tx.connection, group)
    if found is not None:
        resources.change(tx, group, {"users": [one for one in found.get("users", ()) if one != user]})
    _end(tx, group, user)


def leave_all(tx: Transaction, user: str) -> None:
    """Take a user that is deleted out of every group."""
    for group in resources.having(tx.connection, "group", "resource-type", "group"):
        if user in group.get("users", ()):
            leave(tx, group["id"], user)


def _end(tx: Transaction, group: str, user: str) -> None:
    """End what acts for the group in the name of a user who is no member any more.

    That is every session: a cookie from before the last switch of group is good as well.
    """
    document = resources.find(tx.connection, user)
    if document is not None:
        left = [claim for claim in document.get("login-claims", ()) if claim != group]
        resources.change(tx, user, {"login-claims": left})
    endings.end_sessions(tx, user)
    for key in resources.indexed(tx, "credential", "parent", user):
        claims = key.get("claims", {})
        if group == claims.get("identity") or group in (*claims.get("roles", ()), *claims.get("granted-as", ())):
            endings.end_key(tx, key["id"])


def _make(tx: Transaction, id_: str, users: Sequence[str], described: Document) -> None:
    own = acl.normal({"owners": [acl.ADMIN], "view-meta": [acl.USER]})
    document = {
        "id": id_, "resource-type": "group", "name": id_.partition("/")[2], "users": list(users),
        "created": tx.iso, "updated": tx.iso, "acl": own, **described,
    }  # fmt: skip
    resources.add(tx, [document])


def _edit(tx: Transaction, id_: str, caller: Caller, changes: Document) -> tuple[Document, Iterable[str]]:
    old: list[str] = find(tx.connection, id_, caller, "edit-data").get("users", [])
    users: list[str] = changes.get("users", old)
    for user in users:
        if user not in old and not (user.startswith("user/") and resources.find(tx.connection, user)):
            raise Invalid(f"attribute 'users' does not satisfy defined schema: there is no user {user!r}", "users")
    gone = [user for user in old if user not in users]
    if id_ == acl.ADMIN and any(_owns_the_folder(tx, user) for user in gone):
        raise Conflict(f"the user of admin.toml stays in {acl.ADMIN}")
    document = resources.change(tx, id_, changes)
    for user in gone:
        _end(tx, id_, user)
    return document, gone


def _owns_the_folder(tx: Transaction, user: str) -> bool:
    document = resources.find(tx.connection, user)
    return document is not None and owner(document)


def owner(user: Document) -> bool:
    """Whether this is the user of ``admin.toml``, who stays an administrator, so that there always is one."""
    return user["name"] == ADMIN_NAME and acl.ADMIN in user.get("login-claims", ())


def _delete(tx: Transaction, id_: str, caller: Caller) -> list[str]:
    users: list[str] = find(tx.connection, id_, caller, "delete").get("users", [])
    if id_ == acl.ADMIN:
        raise Conflict(f"{id_} cannot be deleted: somebody has to be an administrator")
    resources.delete(tx, id_)
    for user in users:
        _end(tx, id_, user)
    return users
