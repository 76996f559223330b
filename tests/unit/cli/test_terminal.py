from __future__ import annotations

import sys

from tvstreamer.cli.terminal import plain


def test_of_all_characters_those_that_are_seen_stay() -> None:
    text = "".join(map(chr, range(sys.maxunicode + 1)))
    shown = plain(text)
    assert len(shown) == len(text)
    assert shown.isprintable()
    seen = "a é \N{EURO SIGN} \N{CJK UNIFIED IDEOGRAPH-4E2D} \N{CHART WITH UPWARDS TREND}"
    assert plain(seen) == seen


def test_nothing_breaks_a_line_or_commands_a_terminal() -> None:
    assert plain("a\nb\r\x1b[2Jc\x9b\u2028\u202e\ud800d") == "a b  [2Jc    d"
