"""What the engine knows of actions, for reading and completing KEY=VALUE."""

from collections.abc import Sequence
from typing import Any, Final

from job_engine.client import Client
from job_engine.job.action_details import Parameter
from job_engine.job.errors import JobEngineError

_JSON_TYPES: Final = {bool: "boolean", int: "number", float: "number", list: "array", dict: "object"}


def parameters_of(client: Client, action: str) -> Sequence[Parameter]:
    """The parameters of ``action``; none if nothing is known of it."""
    try:
        found = client.actions()
    except JobEngineError:  # a server of Nuvla's, or none: the request that follows says so
        return ()
    return next((known.parameters or () for known in found if known.name == action), ())


def is_text(parameters: Sequence[Parameter], name: str, value: Any) -> bool:
    """Whether the argument ``name`` takes texts, and nothing of the JSON type that ``value`` has."""
    meant = next((found for found in parameters if found.name == name or found.name.startswith("**")), None)
    if meant is None or "string" not in meant.takes:
        return False
    return _JSON_TYPES.get(type(value), "null") not in meant.takes
