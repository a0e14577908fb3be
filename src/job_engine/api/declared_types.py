"""Types that an operator declares: the server keeps their documents, and their operations add jobs.

A file in TOML has a table for each type, as docs/types.md says. ``nuvla-types.toml`` beside this module has those of
Nuvla's domain, so that upstream's actions find what they work on.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from job_engine.api import acl
from job_engine.api.declared_schemas import Schema
from job_engine.job.errors import UNREADABLE, Invalid

NUVLA: Final = Path(__file__).with_name("nuvla-types.toml")
"""The types of Nuvla's domain."""
BYTES_LIMIT: Final = 1 << 20
"""Bytes of a file of types, or of a schema."""

_NAME: Final = re.compile(r"[a-z][a-z0-9]{0,40}(?:-[a-z0-9]{1,40}){0,9}", re.ASCII)
_CLAIM: Final = re.compile(r"(?:group|user)/[^\s/]{1,200}")
_ACTION: Final = re.compile(r"[^\s/]{1,200}")
_WRITE: Final = {
    "add": 'claims such as ["group/nuvla-user"]',
    "schema": 'a table, or the name of a JSON file beside this one such as "sensor.json"',
    "operations": 'names with their actions such as calibrate = "calibrate_sensor"',
    "bulk": 'names with their actions such as recalibrate = "recalibrate_sensors"',
}
"""By key of a type, what it has to be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredType:
    """One declared type."""

    name: str
    origin: str  # the file that declares it, for messages
    add: tuple[str, ...] = (acl.USER,)  # the claims of who may add documents
    schema: Schema | None = None  # what a document has to be; None: whatever is sent is kept
    operations: Mapping[str, str] = field(default_factory=dict)  # by name: the action of a job on one document
    bulk: Mapping[str, str] = field(default_factory=dict)  # likewise: of a job on all documents that a filter finds

    @property
    def by(self) -> acl.By:
        """Who may do what with the whole collection."""
        return {"query": (acl.USER,), "add": self.add, **({"bulk-action": (acl.USER,)} if self.bulk else {})}


def read(paths: Iterable[Path]) -> dict[str, DeclaredType]:
    """The types that files declare, by name.

    Raises:
        Invalid: a file cannot be read, or does not declare types; the message names the file, the type and the way out.
    """
    types: dict[str, DeclaredType] = {}
    for path in paths:
        for name, table in _toml(path).items():
            if name in types:
                raise Invalid(f"{path}: [{name}] is in {types[name].origin} too; remove one of them")
            types[name] = _type(path, name, table)
    return types


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(_text(path))
    except tomllib.TOMLDecodeError as error:
        raise Invalid(f"{path} is not TOML: {error}") from None


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(BYTES_LIMIT + 1)
        if len(data) > BYTES_LIMIT:
            raise Invalid(f"{path} has more than {BYTES_LIMIT} bytes, and is not read")
        return data.decode()
    except OSError as error:
        raise Invalid(f"cannot read {path} (--types): {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise Invalid(f"{path} is not a text in UTF-8: {error}") from None


def _type(path: Path, name: str, table: Any) -> DeclaredType:
    here = f"{path}: [{name}]"
    if not isinstance(table, dict):
        raise Invalid(f"{path}: {name} stands outside of a type; write it below a line such as [sensor]")
    if not _NAME.fullmatch(name):
        raise Invalid(f"{here} is no name of a type: write small letters and digits, with - between words")
    for key in table:
        if key not in _WRITE:
            raise Invalid(f"{here} has {key!r}, which no type has; a type has {', '.join(_WRITE)}")
    return DeclaredType(
        name=name,
        origin=str(path),
        add=_claims(here, table.get("add", [acl.USER])),
        schema=_schema(path, here, table["schema"]) if "schema" in table else None,
        operations=_actions(here, "operations", table.get("operations", {})),
        bulk=_actions(here, "bulk", table.get("bulk", {})),
    )


def _wrong(here: str, key: str, value: Any) -> Invalid:
    return Invalid(f"{here} has {key} = {str(value)[:60]!r}; write {_WRITE[key]}")


def _claims(here: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise _wrong(here, "add", value)
    for claim in value:
        if not isinstance(claim, str) or not _CLAIM.fullmatch(claim):
            raise _wrong(here, "add", claim)
    return tuple(value)


def _actions(here: str, key: str, value: Any) -> Mapping[str, str]:
    if not isinstance(value, dict):
        raise _wrong(here, key, value)
    for name, action in value.items():
        if not isinstance(action, str) or not _ACTION.fullmatch(action):
            raise _wrong(here, key, f"{name} = {action}")
        if not _NAME.fullmatch(name):
            raise Invalid(
                f"{here} has {key} with the name {name[:60]!r}: write small letters and digits, with - between words"
            )
    return value


def _schema(path: Path, here: str, value: Any) -> Schema:
    if isinstance(value, str):
        file = path.parent / value
        try:
            value = msgspec.json.decode(_text(file))
        except UNREADABLE as error:
            raise Invalid(f"{here}: {file} is not JSON: {error}") from None
        here = f"{here}: {file}"
    if not isinstance(value, dict):
        raise _wrong(here, "schema", value)
    return Schema(here, value)
