"""Full text: whether a text has words, or words that begin so, whatever their case.

A query such as ``web 1*`` has words; a text must have all of them. The database finds them by GLOB and the evaluator
in memory by a regular expression, out of the same parts: each letter is a class of its two cases, so nothing that
somebody sent can mean anything in a pattern.
"""

import re
from typing import Final

WORDS_LIMIT: Final = 32
"""Words that one comparison may have."""
LENGTH_LIMIT: Final = 255
"""Characters of such a word: the database limits the length of a pattern."""

_LETTERS: Final = "0-9A-Za-z_\u0080-\U0010ffff"
_WORD: Final = re.compile(rf"([{_LETTERS}]+)(\*?)|\*")


def problem(query: str) -> str | None:
    """What is wrong with a query; None: nothing."""
    words = _WORD.findall(query)
    if len(words) > WORDS_LIMIT or any(len(word) > LENGTH_LIMIT for word, _ in words):
        return f"at most {WORDS_LIMIT} words of at most {LENGTH_LIMIT} characters after =="
    return None


def globs(query: str) -> list[str]:
    """GLOB patterns that a text between two spaces must match, all of them; none: no text has what has no word."""
    return [f"*{part}*" for part in _parts(query)]


def has(text: str, query: str) -> bool:
    """Whether ``text`` has the words of ``query``."""
    parts = _parts(query)
    return bool(parts) and all(re.search(part, f" {text} ") for part in parts)


def _parts(query: str) -> list[str]:
    found = []
    for word, star in _WORD.findall(query):
        if not word:
            found.append(f"[{_LETTERS}]")  # * alone: any word
            continue
        body = "".join(_either_case(letter) for letter in word)
        found.append(f"[^{_LETTERS}]{body}" + ("" if star else f"[^{_LETTERS}]"))
    return found


def _either_case(letter: str) -> str:
    cases = {letter, *(case for case in (letter.lower(), letter.upper()) if len(case) == 1)}
    return f"[{''.join(sorted(cases))}]"
