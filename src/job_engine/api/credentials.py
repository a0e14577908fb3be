"""API keys: made by who is logged in, shown once, good for sessions (contract, section 2)."""

import time
from typing import Any, Final

from uuid_utils import uuid7

from job_engine.api import acl, passwords
from job_engine.api.answers import Json, created
from job_engine.api.call import Call
from job_engine.api.identity import Caller
from job_engine.job.attributes import checked
from job_engine.job.errors import Forbidden, Invalid
from job_engine.job.times import iso
from job_engine.store import resources
from job_engine.store.resources import Document
from job_engine.store.transaction import Transaction

TTL_LIMIT: Final = 100 * 365 * 86400
"""Seconds that an expiry may be away: a date that can be written."""


async def post(call: Call) -> Json:
    """``POST /api/credential``: a new API key; its secret is in the answer and nowhere else."""
    caller = call.caller
    acl.demand(caller.claims, "credential", "add")
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
    now = time.time()
    id_ = f"credential/{uuid7()}"
    document: Document = {
        "id": id_,
        "resource-type": "credential",
        "created": iso(now),
        "updated": iso(now),
        "created-by": caller.user,
        "subtype": "api-key",
        "method": "generate-api-key",
        "parent": caller.user,
        "digest": digest,
        "claims": {
            "identity": caller.active,
            "roles": sorted(claim for claim in caller.claims if not claim.startswith("session/")),
        },
        "acl": acl.owned_by(caller.active),
        **_described(sent, template),
    }
    if ttl:
        document["expiry"] = iso(now + ttl)
    await call.api.store.write(_add, document, caller)
    return created(id_, **{"secret-key": secret})


def _add(tx: Transaction, document: Document, caller: Caller) -> None:
    session = resources.find(tx.connection, caller.session)
    if session is None and not caller.proxied:  # it ended while the body came
        raise Forbidden("credentials required")
    maker = resources.find(tx.connection, session.get("made-with")) if session is not None else None
    if maker is not None:  # what a key makes ends with it, at the latest
        document["made-with"] = maker["id"]
        if "expiry" in maker:
            document["expiry"] = min(document.get("expiry", maker["expiry"]), maker["expiry"])
    resources.add(tx, [document])


def _described(sent: dict[str, Any], template: dict[str, Any]) -> Document:
    found: Document = {}
    for name in ("name", "description", "tags"):
        value = sent.get(name, template.get(name))
        if value is not None:
            found[name] = checked(name, value)
    return found
