"""Texts of other people on a terminal and in a log: nothing in them is obeyed, and nothing in them is invisible."""

import logging
import re
from typing import Final

_ESCAPED: Final = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 but tab and line feed, DEL, C1
    "\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # invisible or turning
    "\ud800-\udfff"  # half a character, which no stream takes
    "\U000e0000-\U000e007f"  # tags: invisible text
    "]"
)
"""Characters that a terminal obeys, or that make a line look like another one. The joiners U+200C and U+200D stay:
Persian, Hindi and emoji need them."""
_INDENT: Final = "\n    "


def printable(text: str) -> str:
    r"""The text with control, direction and invisible characters as escapes, such as ``\x1b`` and ``\u202e``; tabs and
    line feeds stay."""
    return _ESCAPED.sub(_python_escape, text)


def printable_json(encoded: str) -> str:
    r"""The same JSON, with those characters as JSON's own escapes (``\u001b``): its readers get what was there."""
    return _ESCAPED.sub(_json_escape, encoded)


class PrintableFormatter(logging.Formatter):
    """A log's format in which a record begins one line: further lines of it are indented, so that no text from outside
    can look like a record of its own."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record)).replace("\n", _INDENT)


def _python_escape(found: re.Match[str]) -> str:
    number = ord(found[0])
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def _json_escape(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[n : n + 4]}" for n in range(0, len(units), 4))
