"""From a job's payload to the keyword arguments of a function, checked against its signature."""

import inspect
import re
import typing
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any, Final

import msgspec

from job_engine.actions.errors import WrongArguments
from job_engine.actions.job import Job
from job_engine.job import json_value
from job_engine.job.errors import UNREADABLE, Invalid

_WHERE: Final = re.compile(r"(?P<what>.*?) - at `\$(?P<path>.*)`", re.DOTALL)
_ARGUMENT: Final = re.compile(r"argument '(\w+)")
_KEYWORD: Final = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def _other(kind: type, value: Any) -> Any:
    if isinstance(value, kind):
        return value
    if isinstance(value, str) and issubclass(kind, PurePath):
        return kind(value)
    raise TypeError(f"Expected `{kind.__qualname__}`, got `{type(value).__name__}`")


class Arguments:
    """How one function takes its arguments.

    Args:
        function: the action's; its first parameter may be the job, known by its annotation or its name.

    Raises:
        Invalid: a payload cannot fill such parameters, saying which.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        try:
            hints = typing.get_type_hints(function, include_extras=True)
        except (NameError, TypeError, SyntaxError, AttributeError) as error:
            raise Invalid(f"the annotations of {function.__qualname__} cannot be read: {error}") from None
        own = inspect.signature(function)
        parameters = list(own.parameters.values())
        self.takes_job = bool(parameters) and _is_job(parameters[0], hints)
        if self.takes_job:
            del parameters[0]
        parameters = [p.replace(annotation=hints.get(p.name, p.annotation)) for p in parameters]
        self.parameters = parameters  # as its submitter sees them: without the job
        self.signature = f"{function.__name__}{own.replace(parameters=parameters, return_annotation=own.empty)}"
        self.takes_any = self.takes_job and not parameters  # reads job.payload itself
        self._open = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
        self._rest: Any = Any
        self._names: list[str] = []
        self._optional = False
        fields: list[Any] = []
        for parameter in parameters:
            hint = hints.get(parameter.name, Any)
            _check(function, parameter, hint)
            if parameter.kind is parameter.VAR_KEYWORD:
                self._rest = hint
                continue
            self._names.append(parameter.name)
            if parameter.default is parameter.empty:
                fields.append((parameter.name, hint))
            else:
                self._optional = True
                fields.append((parameter.name, hint, msgspec.UNSET))
        self._struct = msgspec.defstruct("Arguments", fields, kw_only=True, forbid_unknown_fields=not self._open)
        self._decoder = msgspec.json.Decoder(self._struct, dec_hook=_other)

    def of(self, payload: str | None) -> dict[str, Any]:
        """The keyword arguments in a payload, which is the text of a JSON object; none is an empty one.

        Raises:
            WrongArguments: it is not, or an argument is missing, unknown or of another type.
        """
        text = payload or "{}"
        try:
            found = msgspec.structs.asdict(self._decoder.decode(text))
            more = self._more(text) if self._open else {}
        except UNREADABLE as error:
            raise WrongArguments(self._sentence(error, text)) from None
        if self._optional:
            found = {name: value for name, value in found.items() if value is not msgspec.UNSET}
        return {**more, **found} if more else found

    def check(self, arguments: Mapping[str, Any]) -> None:
        """Refuse arguments that a job would fail with; for who submits it.

        Raises:
            Invalid: they cannot be written as JSON, or do not fit; with the signature.
        """
        payload = json_value.encode(arguments, "the payload", nan=False)
        if not self.takes_any:
            try:
                self.of(payload.decode())
            except WrongArguments as error:
                raise WrongArguments(f"{error.message}; the action is {self.signature}") from None

    def _more(self, text: str) -> dict[str, Any]:
        given = msgspec.json.decode(text)
        more = {name: value for name, value in given.items() if name not in self._names}
        if self._rest is Any:
            return more
        taken: dict[str, Any] = {}
        for name, value in more.items():
            try:
                taken[name] = msgspec.convert(value, self._rest, dec_hook=_other)
            except msgspec.ValidationError as error:
                raise WrongArguments(_of_argument(name, str(error))) from None
        return taken

    def _sentence(self, error: Exception, text: str) -> str:
        """What is wrong with a payload that does not fit."""
        try:
            given = msgspec.json.decode(text)
        except UNREADABLE as malformed:
            return f"the payload is not JSON: {malformed}"
        if not isinstance(given, dict):
            return f"the payload must be a JSON object with the arguments{self._listed()}; it is {_named(given)}"
        wrong = []
        required = [field.name for field in msgspec.structs.fields(self._struct) if field.required]
        if missing := [name for name in required if name not in given]:
            wrong.append(f"missing argument{'s' * (len(missing) > 1)} {', '.join(map(repr, missing))}")
        if not self._open and (unknown := [name for name in given if name not in self._names]):
            wrong.append(
                f"unknown argument{'s' * (len(unknown) > 1)} {', '.join(map(repr, unknown))}: it takes{self._listed()}"
            )
        if wrong:
            return "; ".join(wrong)
        sentence = _of_argument("", str(error))
        allowed = self._allowed(sentence) if "enum value" in sentence else []
        return f"{sentence}; it may be {' or '.join(allowed)}" if allowed else sentence

    def _allowed(self, sentence: str) -> list[str]:
        """The values of the enumeration in the type of the argument that a sentence names, if there is but one."""
        found = _ARGUMENT.match(sentence)
        hint = next(
            (field.type for field in msgspec.structs.fields(self._struct) if found and field.name == found[1]), None
        )
        enumerations = [] if hint is None else _enumerations(msgspec.inspect.type_info(hint))
        return [repr(value) for value in enumerations[0]] if len(enumerations) == 1 else []

    def _listed(self) -> str:
        names = [*self._names, *(["any"] if self._open else [])]
        return f" {', '.join(names)}" if names else " no arguments"


def _of_argument(name: str, error: str) -> str:
    """msgspec's sentence, such as "Expected `int`, got `str` - at `$.workers`", as ours."""
    if found := _WHERE.fullmatch(error):
        error, name = found["what"], name + found["path"].removeprefix("." if not name else "")
    what = error.replace("`", "")
    return f"argument {name!r}: {what[:1].lower()}{what[1:]}" if name else what


def _is_job(parameter: inspect.Parameter, hints: dict[str, Any]) -> bool:
    if parameter.kind not in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD):
        return False
    hint: object = hints.get(parameter.name)
    return parameter.name == "job" or (isinstance(hint, type) and issubclass(hint, Job))


def _check(function: Callable[..., Any], parameter: inspect.Parameter, hint: Any) -> None:
    called = f"parameter {parameter.name!r} of {function.__qualname__}"
    if parameter.kind is not parameter.VAR_KEYWORD and parameter.kind not in _KEYWORD:
        raise Invalid(f"{called}: a payload has named arguments only, so it must take its name")
    try:
        msgspec.json.Decoder(hint, dec_hook=_other)
        strange = _strange(msgspec.inspect.type_info(hint))
    except (TypeError, NotImplementedError) as error:
        raise Invalid(f"{called}: {error}") from None
    if strange is not None:
        raise Invalid(f"{called}: its type {strange.__qualname__} has no form in JSON")


def _strange(info: Any) -> type | None:
    """A class in a type that neither msgspec nor `_other` can make from JSON."""
    if isinstance(info, msgspec.inspect.CustomType):
        return None if issubclass(info.cls, PurePath) else info.cls
    return next((found for part in parts_of(info) if (found := _strange(part)) is not None), None)


def _enumerations(info: Any) -> list[list[Any]]:
    """The values of each enumeration in a type."""
    if isinstance(info, msgspec.inspect.EnumType):
        return [[member.value for member in info.cls]]
    if isinstance(info, msgspec.inspect.LiteralType):
        return [list(info.values)]
    return [values for part in parts_of(info) for values in _enumerations(part)]


def parts_of(info: Any) -> list[Any]:
    """The types that a type is made of."""
    names = ("item_type", "key_type", "value_type", "type")
    parts = [part for name in names if (part := getattr(info, name, None)) is not None]
    for name in ("item_types", "types"):
        parts += getattr(info, name, ())
    return parts


def _named(value: Any) -> str:
    for kind, name in ((bool, "a boolean"), (str, "a text"), (list, "a list"), (int | float, "a number")):
        if isinstance(value, kind):
            return name
    return "null"
