"""JSON Schemas of declared types (https://json-schema.org, drafts 4 to 2020-12)."""

from collections.abc import Mapping
from typing import Any, Final, NoReturn

from job_engine.job.errors import Invalid

MESSAGE_LIMIT: Final = 300
"""Characters of what is wrong with a document: a validator repeats the document in it."""


class Schema:
    """What a document of a type has to be.

    Patterns are matched in linear time, and no schema is fetched from elsewhere.

    Args:
        here: where the schema stands, for messages.

    Raises:
        Invalid: it is no JSON Schema, or there is nothing to check with.
    """

    def __init__(self, here: str, schema: Mapping[str, Any]) -> None:
        try:
            import jsonschema_rs
        except ImportError:
            raise Invalid(f"{here} has a schema; install what checks it: pip install 'job-engine[schema]'") from None
        try:
            self._validator = jsonschema_rs.validator_for(
                dict(schema),
                validate_formats=True,
                pattern_options=jsonschema_rs.RegexOptions(),
                retriever=_fetch_nothing,
            )
        except ValueError as error:
            raise Invalid(f"{here} is no JSON Schema: {_line(error)}") from None

    def check(self, document: Mapping[str, Any]) -> None:
        """Raises Invalid, with the path of the value, if a document is not as it has to be."""
        error = next(self._validator.iter_errors(document), None)
        if error is not None:
            where = ".".join(map(str, error.instance_path)) or next(iter(error.schema_path), "")
            name = str(error.instance_path[0]) if error.instance_path else None
            raise Invalid(f"attribute {where!r} does not satisfy defined schema: {_line(error)}", name)


def _fetch_nothing(uri: str) -> NoReturn:
    raise ValueError(f"{uri} is elsewhere; copy what it has into this schema")


def _line(error: Exception) -> str:
    return " ".join(str(getattr(error, "message", error)).split())[:MESSAGE_LIMIT]
