"""What an action is to who submits it: parameters, the first line of its docstring, file."""

import inspect
from typing import Any, Final

import msgspec

from job_engine.actions.action import Action
from job_engine.actions.arguments import parts_of
from job_engine.job.action_details import ActionDetails, Parameter
from job_engine.job.foreign import SHOWN, ask
from job_engine.job.secret import MASK

_OF_VALUE: Final = {str: "string", bool: "boolean", int: "number", type(None): "null"}
_OF_TYPE: Final = {
    "NoneType": "null", "BoolType": "boolean", "IntType": "number", "FloatType": "number", "AnyType": "any",
    "ListType": "array", "SetType": "array", "FrozenSetType": "array", "VarTupleType": "array", "TupleType": "array",
    "CollectionType": "array", "NamedTupleType": "array",
    "DictType": "object", "MappingType": "object", "TypedDictType": "object", "DataclassType": "object",
    "StructType": "object",
}  # fmt: skip
"""By the name of msgspec's class. What is not in here (times, UUIDs, paths, decimals) is a text in JSON."""


class _Masked:
    def __repr__(self) -> str:
        return MASK


def details(action: Action[..., Any]) -> ActionDetails:
    """What there is to tell of ``action``; what cannot be had of it is left out."""
    return ActionDetails(
        summary=ask(lambda action: action.summary[:SHOWN], action, ""),
        file=ask(lambda action: inspect.getfile(inspect.unwrap(action.target)), action, ""),
        secret=list(action.secret),
        parameters=ask(_parameters, action, None),
    )


def _parameters(action: Action[..., Any]) -> list[Parameter] | None:
    if action.is_class or action.arguments.takes_any:
        return None
    return [_parameter(parameter, parameter.name in action.secret) for parameter in action.arguments.parameters]


def _parameter(parameter: inspect.Parameter, secret: bool) -> Parameter:
    rest = parameter.kind is parameter.VAR_KEYWORD
    hint = Any if parameter.annotation is parameter.empty else parameter.annotation
    takes = _json_types(msgspec.inspect.type_info(hint))
    return Parameter(
        name=f"**{parameter.name}" if rest else parameter.name,
        text=str(_without_default(parameter) if secret else parameter)[:SHOWN],
        required=not rest and parameter.default is parameter.empty,
        takes=[] if "any" in takes else sorted(takes),
    )


def _without_default(parameter: inspect.Parameter) -> inspect.Parameter:
    return parameter if parameter.default is parameter.empty else parameter.replace(default=_Masked())


def _json_types(info: Any) -> set[str]:
    if isinstance(info, msgspec.inspect.UnionType | msgspec.inspect.Metadata):
        return {found for part in parts_of(info) for found in _json_types(part)}
    if isinstance(info, msgspec.inspect.EnumType):
        return {_OF_VALUE[type(member.value)] for member in info.cls}
    if isinstance(info, msgspec.inspect.LiteralType):
        return {_OF_VALUE[type(value)] for value in info.values}
    return {_OF_TYPE.get(type(info).__name__, "string")}
