"""API keys: made by who is logged in, shown once, good for sessions (contract, section 2)."""

import time
from collections.abc import Sequence
from typing import Any, Final

from uuid_utils import uuid7

from job_engine.api import acl, passwords, submitting
from job_engine.api.audited import about
from job_engine.api.call import Call
from job_engine.api.identity import Caller
from job_engine.api.responses import Json, created
from job_engine.api.roles import claims, demand_grant
from job_engine.api.settings import Quota
from job_engine.job.attributes import checked
from job_engine.job.errors import Forbidden, Invalid
from job_engine.job.times import iso
from job_engine.store import resources
from job_engine.store.resources import Document
from job_engine.store.transaction import Transaction

ADMIN_FILE: Final = "admin.toml"
"""The method by which the key in that file was made; it goes only with the file."""
TTL_LIMIT: Final = 100 * 365 * 86400
"""Seconds that an expiry may be away: a date that can be written."""


async def post(call: Call) -> Json:
    """``POST /api/credential``: a new API key; its secret is in the answer and nowhere else."""
    caller = call.caller
    acl.demand(caller.claims, "credential", "add")
    if caller.job is not None:
        raise Forbidden("credentials required: an action's token makes no key, which would outlive the job")
    sent = await call.json()
    template = sent.get("template") if isinstance(sent, dict) else None
    if not isinstance(template, dict) or template.get("href") != "credential-template/generate-api-key":
        raise Invalid(
            "attribute 'template' does not satisfy defined schema: its href must be"
            " credential-template/generate-api-key",
            "template",
        )
    ttl = template.get("ttl", 0)
    if isinstance(ttl, bool) or not isinstance(ttl, int) or not 0 <= ttl <= TTL_LIMIT:
        raise Invalid(
            f"attribute 'ttl' does not satisfy defined schema: it must be seconds from 0 to {TTL_LIMIT}", "ttl"
        )
    secret, digest = passwords.secret()
    roles = sorted(claim for claim in caller.claims if not claim.startswith("session/"))
    document = {**new(caller.user, caller.active, roles, digest), **_described(sent, template)}
    if ttl:
        document["expiry"] = iso(time.time() + ttl)
    if "roles" in template:
        document["claims"] = _narrow(caller, document["id"], template["roles"])
    about(call.api, on=document["id"])
    await call.api.store.write(_add, document, caller, call.api.settings.quota)
    return created(document["id"], **{"secret-key": secret})


def new(user: str, active: str, roles: Sequence[str], digest: str) -> Document:
    """A new API key.

    Args:
        active: the claim that its sessions act as.
        roles: the claims that its sessions have.
        digest: of its secret.
    """
    at = iso(time.time())
    return {
        "id": f"credential/{uuid7()}",
        "resource-type": "credential",
        "created": at,
        "updated": at,
        "created-by": user,
        "subtype": "api-key",
        "method": "generate-api-key",
        "parent": user,
        "digest": digest,
        "claims": {"identity": active, "roles": list(roles)},
        "acl": acl.owned_by(active),
    }


def _add(tx: Transaction, document: Document, caller: Caller, quota: Quota) -> None:
    session = resources.find(tx.connection, caller.session)
    if session is None and not caller.proxied:  # it ended while the body came
        raise Forbidden("credentials required")
    maker = resources.find(tx.connection, session.get("made-with")) if session is not None else None
    if maker is not None:  # what a key makes ends with it, at the latest
        document["made-with"] = maker["id"]
        if "expiry" in maker:
            document["expiry"] = min(document.get("expiry", maker["expiry"]), maker["expiry"])
    submitting.add_document(tx, caller, quota, document)


def _narrow(caller: Caller, id_: str, wanted: Any) -> Document:
    """The claims of a key that may do no more than the roles that its maker names.

    Such a key acts as itself, so that it is not the owner of all that its maker owns.
    """
    granted = claims(wanted, "roles")
    demand_grant(caller.claims, granted)
    by = [acl.ADMIN] if caller.admin else []  # whoever loses that loses the key
    return {"identity": id_, "roles": sorted(acl.held(id_, granted)), "granted-as": by}


def _described(sent: dict[str, Any], template: dict[str, Any]) -> Document:
    found: Document = {}
    for name in ("name", "description", "tags"):
        value = sent.get(name, template.get(name))
        if value is not None:
            found[name] = checked(name, value)
    return found
