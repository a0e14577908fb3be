"""What an executor tells of an action, for people and for the command line; no job needs it."""

from msgspec import Struct


class Parameter(Struct, frozen=True, omit_defaults=True):
    """One parameter of an action."""

    name: str  # ``**labels`` for all that have no parameter of their own
    text: str  # as in a signature, such as ``times: int = 1``
    required: bool = False
    takes: list[str] = []  # the JSON types of its values, such as "string" or "null"; empty: any


class ActionDetails(Struct, frozen=True, omit_defaults=True):
    """What is worth knowing of an action before a job of it is added."""

    summary: str = ""  # the first line of its docstring
    file: str = ""  # where it is defined
    secret: list[str] = []  # names of arguments whose values are shown to nobody
    parameters: list[Parameter] | None = None  # None: unknown, as of a class, or of a function that reads the payload
