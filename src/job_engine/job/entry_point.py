"""What the entry point of an API server tells of the server: whether it is ours or Nuvla's."""

from collections.abc import Mapping
from typing import Any, Final

ENTRY_POINT: Final = "cloud-entry-point"
"""The document that lists a server's collections; anybody may read it."""
OURS: Final = "executor"
"""The collection that only a server of ours has."""


def is_ours(entry_point: Mapping[str, Any]) -> bool:
    """Whether the server with this entry point keeps holds and keys as ours does, and takes many jobs at once."""
    return OURS in (entry_point.get("collections") or {})
