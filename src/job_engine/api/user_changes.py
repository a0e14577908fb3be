"""How users are edited, disabled and deleted; their sessions and keys end with that at once."""

from typing import Any, Final

from job_engine.api import acl, endings, groups, names, password_rules, roles, users
from job_engine.api.audited import about
from job_engine.api.call import Call
from job_engine.api.identity import Caller
from job_engine.api.resources import find, shown
from job_engine.api.responses import Json, deleted
from job_engine.job.attributes import checked
from job_engine.job.errors import Conflict, Forbidden, Invalid, NotFound
from job_engine.store import resources
from job_engine.store.resources import Document
from job_engine.store.transaction import Transaction

STATES: Final = ("ACTIVE", "DISABLED")
_PASSWORDS: Final = ("password", "old-password")


async def put(call: Call) -> Json:
    """``PUT /api/user/UUID``: by an administrator whatever can be changed; by the user the password, with the old one.

    What is sent as it is, such as a whole document that was read before, changes nothing.
    """
    user = await call.api.store.read(find, call.id, call.caller, "edit-meta")
    sent = await call.json()
    if not isinstance(sent, dict):
        raise Invalid("the body is not a JSON object")
    known = shown(user, call.caller)
    rest = {name: value for name, value in sent.items() if name not in _PASSWORDS and value != known.get(name)}
    administrator = "edit-data" in acl.rights_of(user["acl"], call.caller.claims, user["resource-type"])
    if rest and not administrator:
        raise Forbidden(f"invalid credentials for '{call.id}': you may change your password, nothing else")
    changes = {name: _checked(name, value) for name, value in rest.items()}
    digest = None
    if "password" in sent:
        password = password_rules.checked(users.text(sent, "password"), str(changes.get("name", user["name"])))
        if not administrator:
            await _verify(call, user, users.text(sent, "old-password"))
        digest = await users.digested(password)
    said = [f"{name}: {value}" for name, value in changes.items()]
    about(call.api, detail=", ".join([*said, *(["password"] if digest is not None else [])]))
    document = await call.api.store.write(_edit, call.id, call.caller, changes, digest)
    call.api.identities.forget_user(call.id)
    return Json(shown(document, call.caller))


async def delete(call: Call) -> Json:
    """``DELETE /api/user/UUID`` by an administrator; the user's jobs stay."""
    await call.api.store.write(_delete, call.id, call.caller)
    call.api.identities.forget_user(call.id)
    return deleted(call.id)


def _checked(name: str, value: Any) -> Any:
    match name:
        case "name":
            return names.normal(users.text({name: value}, name))
        case "description" | "tags":
            return checked(name, value)
        case "groups":
            return roles.claims(value)
        case "state" if value in STATES:
            return value
        case "state":
            raise Invalid("attribute 'state' does not satisfy defined schema: it must be ACTIVE or DISABLED", name)
    raise Invalid(f"attribute {name!r} does not satisfy defined schema: it cannot be changed", name)


async def _verify(call: Call, user: Document, password: str) -> None:
    credential = await call.api.store.read(resources.find, user["credential-password"])
    kept = credential["hash"] if credential else None
    if not await call.api.verifier.verify(
        names.folded(user["name"]), call.address, password, kept, call.caller.session
    ):
        raise Forbidden(f"invalid credentials for '{call.id}': the old password is wrong")


def _edit(tx: Transaction, id_: str, caller: Caller, changes: Document, digest: str | None) -> Document:
    user = find(tx.connection, id_, caller, "edit-meta")
    if caller.session is not None and not caller.admin and resources.find(tx.connection, caller.session) is None:
        raise Forbidden("credentials required")  # it ended while the password was verified
    if groups.owner(user):
        _spare(changes, digest)
    known: str = user["name"]
    name: str = changes.get("name", known)
    if name != known:
        taken = resources.find(tx.connection, users.identifier(name))
        if taken is not None and taken["parent"] != id_:
            raise Conflict(
                f"conflict with {users.identifier(name)}: there is a user {name!r}, or one whose name looks like it"
            )
        resources.delete(tx, users.identifier(known))
        resources.add(tx, [users.name_of(tx, id_, name)])
    claims = changes.pop("groups", user.get("login-claims", []))
    resources.change(tx, id_, {**changes, "login-claims": claims, "updated-by": caller.user})
    for group in claims:
        groups.join(tx, group, id_)
    for group in set(user.get("login-claims", ())).difference(claims):
        groups.leave(tx, group, id_)
    if digest is not None:
        resources.change(tx, user["credential-password"], {"hash": digest})
    if changes.get("state") == "DISABLED":
        endings.end_sessions(tx, id_)
    elif digest is not None:
        endings.end_sessions(tx, id_, but=caller.session)
    document = resources.find(tx.connection, id_)
    assert document is not None
    return document


def _spare(changes: Document, digest: str | None) -> None:
    """Raises Conflict if these changes would leave nobody whom ``admin.toml`` makes an administrator."""
    if digest is not None:
        raise Conflict(
            f"the password of {groups.ADMIN_NAME!r} is in admin.toml of the data folder; for another one, remove that"
            " file and start the server again"
        )
    if "name" in changes or "state" in changes or acl.ADMIN not in changes.get("groups", (acl.ADMIN,)):
        raise Conflict(f"the user {groups.ADMIN_NAME!r} of admin.toml stays an administrator; make others beside it")


def _delete(tx: Transaction, id_: str, caller: Caller) -> None:
    user = find(tx.connection, id_, caller, "delete")
    if user["resource-type"] != "user":
        raise NotFound(f"{id_} not found")
    if groups.owner(user):
        raise Conflict(f"the user {groups.ADMIN_NAME!r} of admin.toml cannot be deleted; make others beside it")
    groups.leave_all(tx, id_)
    endings.end_sessions(tx, id_)
    for credential in resources.indexed(tx, "credential", "parent", id_):
        resources.delete(tx, credential["id"])
    resources.delete(tx, users.identifier(user["name"]))
    resources.delete(tx, id_)
