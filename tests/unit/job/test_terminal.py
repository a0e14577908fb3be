"""Texts of other people on a terminal and in a log."""

import json
import logging
import sys
import unicodedata

import pytest

from job_engine.job.terminal import PrintableFormatter, printable, printable_json

JOINERS = "\u200c\u200d"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\x9b2J", r"\x9b2J"),  # the one-byte form of ESC [
        ("a\rb\x08c\x7f", r"a\x0db\x08c\x7f"),
        ("invoice\u202efdp.exe", r"invoice\u202efdp.exe"),
        ("\u2066x\u2069\u200f\ufeff", r"\u2066x\u2069\u200f\ufeff"),
        ("\U000e0041", r"\U000e0041"),
        ("\ud800", r"\ud800"),
        ("two\nlines\tand é 漢 עברית 👩\u200d🚀", "two\nlines\tand é 漢 עברית 👩\u200d🚀"),
    ],
)
def test_what_a_terminal_obeys_is_shown_as_an_escape(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_no_control_direction_or_half_character_passes() -> None:
    for number in range(sys.maxunicode + 1):
        sign = chr(number)
        directed = unicodedata.bidirectional(sign) in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
        if (unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp") and sign not in "\n\t") or directed:
            assert printable(sign) != sign, hex(number)
        elif unicodedata.category(sign)[0] in "LNPSM":
            assert printable(sign) == sign, hex(number)
    assert printable(JOINERS) == JOINERS


def test_json_says_the_same_by_its_own_escapes() -> None:
    value = {"a\u202e": ["\x1b[2J\x9b", "\u2028\U000e0041\x7f é"]}
    encoded = printable_json(json.dumps(value, ensure_ascii=False))
    assert json.loads(encoded) == value
    assert printable(encoded) == encoded
    assert "é" in encoded


def test_a_record_of_a_log_cannot_begin_a_second_one() -> None:
    form = PrintableFormatter("%(levelname)s %(message)s")
    forged = "x\nERROR forged"
    try:
        raise ValueError(forged)
    except ValueError:
        failed = sys.exc_info()
    record = logging.LogRecord("a", logging.INFO, "f", 1, "%s", ("\x1b]0;title\x07\nERROR forged",), failed)
    lines = form.format(record).splitlines()
    assert lines[0] == r"INFO \x1b]0;title\x07"
    assert all(line.startswith("    ") for line in lines[1:])
    assert sum("ERROR forged" in line for line in lines) == 2
