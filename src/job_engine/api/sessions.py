"""Sessions: made by a login, looked at by their owner, ended by a logout (contract, section 2)."""

import contextlib
import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any, Final

from uuid_utils import uuid7

from job_engine.api import acl, names, passwords, users
from job_engine.api.audited import about as audited
from job_engine.api.call import Call
from job_engine.api.identity import SESSION_DAYS, Caller, Link, same_site, set_cookie
from job_engine.api.resources import find, shown
from job_engine.api.responses import Json, Refused, created
from job_engine.api.state import ApiState
from job_engine.job.errors import Forbidden, Invalid, NotFound, Unavailable
from job_engine.job.times import epoch, iso, least_uuid7
from job_engine.store import resources, settings
from job_engine.store.resources import Document
from job_engine.store.transaction import Transaction

LASTS: Final = SESSION_DAYS * 86400.0
MOST: Final = 10_000
"""Sessions of one user, more than a fleet of executors has; the oldest end. Else who may log in could fill the disk."""
COUNTED_EVERY: Final = 100
"""Logins, on average, after which a user's sessions are counted: of `MOST` that takes the writer some 15 ms."""
UNRECORDED: Final = 300.0
"""Seconds for which a session is good that could not be recorded; clients log in again then."""
_LINK: Final = "session-template/sign-in"
_USED: Final = "this link has expired or was used; sign in with name and password"
SIGN_IN_FOR: Final = 900.0
"""Seconds for which a sign-in token is good: a person who starts the engine opens the page soon, or logs in."""


async def post(call: Call) -> Json:
    """``POST /api/session``: a login."""
    template = await _template(call)
    href = template.get("href")
    address = call.address
    if href == "session-template/password":
        name, password = users.text(template, "username"), users.text(template, "password")
        session, cookie = await log_in(call.api, name, password, address, headers=call.headers)
    elif href == "session-template/api-key":
        key, secret = users.text(template, "key"), users.text(template, "secret")
        session, cookie = await log_in_by_key(call.api, key, secret, address)
    else:
        raise Invalid(
            "attribute 'template' does not satisfy defined schema: its href must be"
            " session-template/password or session-template/api-key",
            "template",
        )
    answer = created(session)
    answer.raw_headers.append(cookie)
    return answer


async def _template(call: Call) -> Document:
    """What a login sends: a template in JSON, or its fields as a form, whose ``href`` says which template."""
    if not same_site(call.headers):  # a form, of any type, needs no leave of ours to come from somebody else's page
        raise Forbidden("invalid credentials: this form was not sent from here")
    if call.is_form:
        return {"href": "session-template/password", **dict(await call.fields())}
    sent = await call.json()
    template = sent.get("template") if isinstance(sent, dict) else None
    return template if isinstance(template, dict) else {}


async def log_in(
    api: ApiState,
    name: str,
    password: str,
    address: str,
    *,
    secure: bool = True,
    headers: Mapping[bytes, bytes] = MappingProxyType({}),
) -> tuple[str, tuple[bytes, bytes]]:
    """Make a session by name and password: its id, and the header that hands out its cookie.

    Args:
        address: of the client, to slow down who guesses.
        secure: see `set_cookie`.
        headers: of the request; cookies say whether the user was signed in there before.

    Raises:
        Forbidden: the credentials are wrong.
        Unavailable: too many tried lately.
    """
    if max(len(name), len(password)) > names.LIMIT:  # nobody's, and failures are remembered by name
        raise Forbidden("invalid credentials")
    audited(api, who=name)
    found = await api.store.read(users.by_name, name)
    kept = found[1] if found else None
    device = api.identities.device(headers, found[0]["id"]) if found else None
    if (
        not await api.verifier.verify(names.folded(name), address, password, kept, device)
        or found is None
        or kept is None
    ):
        raise Forbidden(f"invalid credentials for '{name}'")
    made = await _make_for(api, found[0], "session-template/password", address, secure)
    if passwords.outdated(kept):
        with suppress(Unavailable):  # the next login tries again
            await users.renew_digest(api, found[0]["credential-password"], kept, password)
    return made


async def device_cookie(
    api: ApiState, session: str, headers: Mapping[bytes, bytes], *, secure: bool
) -> tuple[bytes, bytes] | None:
    """The header by which a browser is known to be that of the session's user; None if it is known already."""
    found = await api.store.read(resources.find, session)
    if found is None or api.identities.device(headers, found["user"], ended=False):
        return None
    return api.identities.device_cookie(found["user"], secure=secure)


async def sign_in(api: ApiState, token: str, address: str, *, secure: bool = True) -> tuple[str, tuple[bytes, bytes]]:
    """Make a session by a token of `sign_in_token`, as `log_in` does.

    Raises:
        Forbidden: the token is not ours, expired or used, or its user has changed since it was made.
        Unavailable: it cannot be noted now that it was used.
    """
    link = api.identities.link(token)
    user = await api.store.read(resources.find, link.user) if link is not None else None
    if link is None or user is None or user.get("state") != "ACTIVE" or epoch(user["updated"]) > link.made:
        raise Forbidden(_USED)
    if link.key is None:
        return await _make_for(api, user, _LINK, address, secure, link)
    return await _make_by_key(api, await api.store.read(resources.find, link.key), _LINK, address, secure, link)


async def log_in_by_key(api: ApiState, key: str, secret: str, address: str) -> tuple[str, tuple[bytes, bytes]]:
    """Make a session by an API key, as `log_in` does."""
    id_ = key if key.startswith("credential/") else f"credential/{key}"
    audited(api, who=id_)
    found = await api.store.read(resources.find, id_)
    kept = found["digest"] if found is not None and found.get("subtype") == "api-key" else ""
    if not passwords.verify_secret(secret, kept) or found is None or _expired(found, time.time()):
        api.verifier.note(id_, address)
        raise Forbidden(f"invalid credentials for '{key}'")
    return await _make_by_key(api, found, "session-template/api-key", address)


async def _make_for(
    api: ApiState, user: Document, template: str, address: str, secure: bool, link: Link | None = None
) -> tuple[str, tuple[bytes, bytes]]:
    id_ = user["id"]
    claims = acl.held(id_, user.get("login-claims", []))
    about = _about(template, user["name"], address)
    return await make(api, id_, id_, claims, about, secure=secure, seen=user["updated"], link=link)


async def _make_by_key(
    api: ApiState, key: Document | None, template: str, address: str, secure: bool = True, link: Link | None = None
) -> tuple[str, tuple[bytes, bytes]]:
    """Make a session that acts as an API key does, and ends with it at the latest."""
    if key is None or _expired(key, time.time()):
        raise Forbidden("invalid credentials: the key was deleted, or has expired")
    claims = key["claims"]
    about = {**_about(template, key["id"], address), "made-with": key["id"]}
    until = epoch(key["expiry"]) if "expiry" in key else None
    user = str(key.get("parent", claims["identity"]))
    roles = frozenset(claims["roles"])
    return await make(api, user, claims["identity"], roles, about, secure=secure, until=until, link=link)


def _about(template: str, identifier: str, address: str) -> Document:
    return {
        "template": {"href": template}, "method": template.partition("/")[2], "identifier": identifier,
        "client-ip": address,
    }  # fmt: skip


async def make(
    api: ApiState,
    user: str,
    active: str,
    claims: frozenset[str],
    about: Document,
    *,
    secure: bool = True,
    seen: str | None = None,
    until: float | None = None,
    link: Link | None = None,
) -> tuple[str, tuple[bytes, bytes]]:
    """Make a session for somebody who has proved who they are.

    Args:
        seen: when the user's document was changed last, as it was read before the proof: no session is made if it was
            changed since, for it may have lost a group, or got another password.
        until: when it ends at the latest, in seconds since the epoch.
        link: the sign-in link that is used up by it.
    """
    now = time.time()
    id_, expires = f"session/{uuid7()}", now + LASTS
    if until is not None:
        expires = min(expires, until)
    caller = Caller(user, active, claims | {id_}, id_)
    document = {
        "id": id_, "resource-type": "session", "created": iso(now), "updated": iso(now), "created-by": "internal",
        "user": user, "active-claim": active, "roles": " ".join(sorted(caller.claims)), "expiry": iso(expires),
        "server": api.settings.base,
        "acl": acl.normal({"owners": [acl.ADMIN], "view-acl": [id_], "delete": [id_], "manage": [id_]}),
        **about,
    }  # fmt: skip
    audited(api, who=user, on=id_, detail=str(about["method"]))
    cookie = api.identities.cookie(caller, expires)
    forgotten = api.identities.forgotten
    try:
        await api.store.write(_add, document, seen, link)
    except Unavailable:  # e.g. a full disk: who has proved who they are may look all the same
        await api.store.read(_check, document, seen)
        if link is not None or forgotten != api.identities.forgotten:  # a used link, or a session that just ended
            raise
        api.identities.believe(cookie, caller, min(UNRECORDED, expires - now))
    return id_, set_cookie(cookie, expires, secure=secure)


def _add(tx: Transaction, document: Document, seen: str | None, link: Link | None) -> None:
    _check(tx.connection, document, seen)
    if link is not None and not settings.use(tx, link.number, link.expires):
        raise Forbidden(_USED)
    oldest = f"session/{least_uuid7(tx.now - LASTS)}"
    resources.delete_before(tx, "session", oldest)  # expired; their ids are ordered by time
    resources.add(tx, [document])
    if secrets.randbelow(COUNTED_EVERY) == 0:
        resources.keep_newest(tx, "session", "user", document["user"], MOST)


def _check(connection: Any, document: Document, seen: str | None) -> None:
    """Raises Forbidden if the user or the key of a new session has gone or changed, perhaps since it was verified."""
    user, key = document["user"], document.get("made-with")
    stored = resources.find(connection, user) or {}
    if user.startswith("user/") and (stored.get("state") != "ACTIVE" or seen not in (None, stored.get("updated"))):
        raise Forbidden(f"invalid credentials for '{document['identifier']}'")
    if key is not None and resources.find(connection, key) is None:
        raise Forbidden(f"invalid credentials for '{document['identifier']}'")


async def switch_group(call: Call) -> Json:
    """``POST /api/session/UUID/switch-group``: act for a group of which the user is a member, or as oneself again."""
    session = await call.api.store.read(find, call.id, call.caller, "manage")
    sent = await call.json()
    claim = sent.get("claim") if isinstance(sent, dict) else None
    if not isinstance(claim, str) or not claim:
        raise Invalid(
            "attribute 'claim' does not satisfy defined schema: it must be a group's id or the user's", "claim"
        )
    document, claims = await call.api.store.write(_switch, call.id, claim)
    caller = Caller(session["user"], claim, claims, call.id)
    expires = epoch(session["expiry"])
    return Json(shown(document, caller), 200, (set_cookie(call.api.identities.cookie(caller, expires), expires),))


def _switch(tx: Transaction, id_: str, claim: str) -> tuple[Document, frozenset[str]]:
    session = resources.find(tx.connection, id_)
    if session is None:
        raise NotFound(f"{id_} not found")
    claims = _claims_as(tx, session, claim)
    if "made-with" in session:
        key = resources.find(tx.connection, session["made-with"])
        roles = frozenset(key["claims"]["roles"]) if key is not None else frozenset()
        if claim not in roles:
            raise Forbidden(f"invalid credentials for '{id_}': its API key does not act for {claim}")
        claims &= roles
    claims |= {id_}
    changes = {"active-claim": claim, "roles": " ".join(sorted(claims))}
    return resources.change(tx, id_, changes), claims


def _claims_as(tx: Transaction, session: Document, claim: str) -> frozenset[str]:
    """What the session's user may do as this claim."""
    if claim == session["user"]:
        user = resources.find(tx.connection, claim) or {}
        return acl.held(claim, user.get("login-claims", ()))
    group = resources.find(tx.connection, claim)
    if group is None or group["resource-type"] != "group" or session["user"] not in group.get("users", ()):
        raise Forbidden(f"invalid credentials for '{session['id']}': not a member of {claim}")
    return frozenset({claim, acl.USER, acl.ANON})


async def post_to_one(call: Call) -> Json:
    """``POST /api/session/sign-in-token`` by an administrator: a link with it signs a browser in as that user, once.

    If the administrator uses an API key, the browser may do what the key may, as long as it is good.
    """
    if call.id != "session/sign-in-token":
        raise Refused(405, f"invalid method (post) for {call.id}")
    caller = call.caller
    if not caller.admin or not caller.user.startswith("user/"):
        raise Forbidden("invalid credentials for 'session/sign-in-token'")
    if caller.job is not None:
        raise Forbidden("credentials required: an action's token makes no sign-in link, which would outlive the job")
    session = await call.api.store.read(resources.find, caller.session) or {}
    token = call.api.identities.sign_in_token(caller.user, session.get("made-with"), SIGN_IN_FOR)
    with contextlib.suppress(Unavailable):  # who has a full disk may look all the same
        await call.api.store.write(settings.note_check)
    return Json({"token": token, "expiry": iso(time.time() + SIGN_IN_FOR)})


def _expired(document: Document, now: float) -> bool:
    expiry = document.get("expiry")
    return expiry is not None and epoch(expiry) < now
