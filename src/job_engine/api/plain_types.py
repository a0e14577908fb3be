"""Types of Nuvla's domain that this server keeps as plain documents, so that actions find what they work on.

A type is a line here. Its documents have no schema: whatever is in them stays as it was sent. An operation adds a job
of the action beside it, on the document; whoever has the right ``manage`` may call it.
"""

from collections.abc import Mapping
from typing import Final

TYPES: Final[Mapping[str, Mapping[str, str]]] = {
    "deployment": {"start": "start_deployment", "stop": "stop_deployment", "update": "update_deployment"},
    "deployment-parameter": {},
    "deployment-set": {},
    "infrastructure-service": {},
    "infrastructure-service-group": {},
    "module": {"validate-docker-compose": "validate-docker-compose"},
    "nuvlabox": {"reboot": "reboot_nuvlabox", "update-nuvlabox": "nuvlabox_update"},
    "nuvlabox-cluster": {},
    "nuvlabox-peripheral": {},
    "nuvlabox-release": {},
    "nuvlabox-status": {},
    "resource-log": {},
    "vulnerability": {},
}
"""By type: its operations that make jobs, each with its action."""
BULK: Final[Mapping[str, tuple[str, ...]]] = {
    "deployment": ("bulk-delete", "bulk-force-delete", "bulk-stop", "bulk-update"),
    "nuvlabox": ("bulk-update",),
}
"""By type: its operations on all documents that a filter finds; their actions are named NAME_TYPE, ``_`` for ``-``."""
