"""The parser of CIMI filters."""

import re
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NoReturn, cast

from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedEOF, UnexpectedToken
from lark.exceptions import VisitError

from job_engine.job.errors import Invalid
from job_engine.store import filter_times, full_text
from job_engine.store.conditions import And, Comparison, Condition, Moment, Operator, Or, Value

LENGTH_LIMIT: Final = 64 << 10
"""Characters of a filter: enough for more than a thousand ids. Parsing takes about a second for as many."""
TERMS_LIMIT: Final = 10_000
"""Values that a filter may compare with; the database binds each of them."""
STEPS_LIMIT: Final = 32
"""Names in a path: the database joins at most 64 tables, and each step takes one."""
DEPTH_LIMIT: Final = 100
"""Levels of `and` in `or` in `and` ...; the database's own limit is a thousand."""
INTEGER_LIMIT: Final = 2**31 - 1
CACHED: Final = 4096
"""Characters up to which a filter is remembered with what it says."""

_GEO: Final = frozenset({"intersects", "disjoint", "within", "contains"})
_CONSTANTS: Final[dict[str, bool | None]] = {"true": True, "false": False, "null": None}
_TURNED: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_NAMES: Final = {
    "WORD": "an attribute",
    "STRING": "a string in quotes",
    "INTEGER": "an integer",
    "DATE": "a date",
    "OPERATOR": "an operator (= != < <= > >= ^= ==)",
    "OR": "or",
    "AND": "and",
    "LPAR": "(",
    "RPAR": ")",
    "LSQB": "[",
    "RSQB": "]",
    "COMMA": ",",
    "SLASH": "/",
    "COLON": ":",
    "$END": "the end",
}


def parse(text: str) -> Condition:
    """What a filter says.

    Raises:
        Invalid: it is not a filter, saying where and what was expected.
    """
    return _parse_cached(text) if len(text) <= CACHED else _parse(text)


class _Path(tuple[str, ...]):  # noqa: SLOT001 - a tuple's subclass can have none of its own
    at: int = 0


class _Value:
    __slots__ = ("at", "value")

    def __init__(self, value: Any, at: int) -> None:
        self.value = value
        self.at = at


class _WrongError(Exception):
    def __init__(self, at: int, what: str) -> None:
        self.at = at
        self.what = what


class _Build(Transformer[Token, Condition]):
    """Conditions, from the bottom up, while the parser reads."""

    def or_(self, terms: list[Condition]) -> Condition:
        return Or(tuple(terms))

    def and_(self, terms: list[Condition]) -> Condition:
        return And(tuple(terms))

    def name(self, words: list[Token]) -> Token:
        return words[0].update(value=":".join(words))

    def path(self, names: list[Token]) -> _Path:
        path = _Path(str(name) for name in names)
        path.at = names[0].start_pos or 0
        if len(path) > STEPS_LIMIT:
            raise _WrongError(path.at, f"a path of at most {STEPS_LIMIT} names")
        return path

    def string(self, tokens: list[Token]) -> _Value:
        return _Value(_ESCAPE.sub(r"\1", tokens[0][1:-1]), tokens[0].start_pos or 0)

    def integer(self, tokens: list[Token]) -> _Value:
        at = tokens[0].start_pos or 0
        if len(tokens[0]) > 10 or int(tokens[0]) > INTEGER_LIMIT:
            raise _WrongError(at, f"an integer of at most {INTEGER_LIMIT}")
        return _Value(int(tokens[0]), at)

    def date(self, tokens: list[Token]) -> _Value:
        at = tokens[0].start_pos or 0
        text = re.sub(r"(\.\d{3})\d+", r"\1", tokens[0])
        try:
            return _Value(Moment(*filter_times.interval(text, 0)), at)
        except Invalid:
            raise _WrongError(at, f"a date that exists instead of {tokens[0]}") from None

    def operator(self, tokens: list[Token]) -> Token:
        return tokens[0]

    def values(self, values: list[_Value]) -> _Value:
        return _Value(tuple(value.value for value in values), values[0].at if values else 0)

    def comparison(self, parts: list[Any]) -> Comparison:
        left, operator, right = parts
        sign = str(operator)
        if isinstance(right, _Path) and len(right) == 1 and right[0] in _CONSTANTS:
            right = _Value(_CONSTANTS[right[0]], right.at)
        elif isinstance(right, _Path) and isinstance(left, _Path) and len(left) == 1 and left[0] in _CONSTANTS:
            left = _Value(_CONSTANTS[left[0]], left.at)
        if isinstance(left, _Value):
            if not isinstance(right, _Path):
                raise _WrongError(right.at, "an attribute; one side of a comparison must be one")
            left, right, sign = right, left, _TURNED.get(sign, sign)
        elif not isinstance(right, _Value):
            raise _WrongError(right.at, f"a value instead of the word {'/'.join(right)}; put strings in quotes")
        _check(sign, right, operator.start_pos or 0)
        return Comparison(tuple(left), cast(Operator, sign), cast(Value, right.value))


def _check(sign: str, operand: _Value, at: int) -> None:
    value = operand.value
    if sign in _GEO and isinstance(value, str):
        raise _WrongError(at, f"an operator that this server has: geography ({sign}) is not supported")
    if sign in ("==", "^=", *_GEO) and not isinstance(value, str):
        raise _WrongError(operand.at, f"a string after {sign}")
    if sign == "==" and (wrong := full_text.problem(value)):
        raise _WrongError(operand.at, wrong)
    if sign in _TURNED and (value is None or isinstance(value, bool | tuple)):
        raise _WrongError(operand.at, f"a string, an integer or a date after {sign}")


_GRAMMAR = (Path(__file__).with_name("grammar.lark")).read_text()
_parser = Lark(_GRAMMAR, parser="lalr", lexer="contextual", transformer=_Build(), propagate_positions=False)


@lru_cache(1024)
def _parse_cached(text: str) -> Condition:
    return _parse(text)


def _parse(text: str) -> Condition:
    if len(text) > LENGTH_LIMIT:
        raise Invalid(f"Invalid CIMI filter. It has more than {LENGTH_LIMIT} characters.")
    try:
        condition = cast(Condition, _parser.parse(text))
    except UnexpectedEOF as error:
        _refuse(text, len(text), _expected(error.expected))
    except UnexpectedToken as error:
        at = None if error.token.type == "$END" else error.token.start_pos
        _refuse(text, len(text) if at is None else at, _expected(error.expected))
    except UnexpectedCharacters as error:
        _refuse(text, cast(int, error.pos_in_stream), _expected(error.allowed))
    except _WrongError as wrong:
        _refuse(text, wrong.at, wrong.what)
    except VisitError as error:
        if not isinstance(error.orig_exc, _WrongError):
            raise
        _refuse(text, error.orig_exc.at, error.orig_exc.what)
    if _values(condition) > TERMS_LIMIT:
        raise Invalid(f"Invalid CIMI filter. It compares with more than {TERMS_LIMIT} values.")
    return condition


def _values(condition: Condition) -> int:
    """How many values it compares with, within the depth that may be."""
    total = 0
    level: list[Condition] = [condition]
    depth = 0
    while level:
        depth += 1
        if depth > DEPTH_LIMIT:
            raise Invalid(f"Invalid CIMI filter. It is nested more than {DEPTH_LIMIT} levels deep.")
        following: list[Condition] = []
        for item in level:
            if isinstance(item, Comparison):
                total += len(item.value) if isinstance(item.value, tuple) else 1
            else:
                following += item.terms
        level = following
    return total


def _expected(names: Any) -> str:
    words = sorted({_NAMES[name] for name in names if name in _NAMES}, key=list(_NAMES.values()).index)
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words) or "something else"


def _refuse(text: str, at: int, expected: str) -> NoReturn:
    found = repr(text[at : at + 20]) if at < len(text) else "the end"
    raise Invalid(f"Invalid CIMI filter. At character {at + 1}, {found}: expected {expected}.") from None
