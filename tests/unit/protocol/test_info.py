"""What a server says of a symbol becomes an event, whatever it says."""

from __future__ import annotations

from tvstreamer.events import SymbolInfo
from tvstreamer.protocol.info import symbol_info


def test_what_has_no_field_is_extra() -> None:
    info = {"name": "SYM", "type": "stock", "novel": [1]}
    assert symbol_info("EX:SYM", info) == SymbolInfo("EX:SYM", name="SYM", kind="stock", extra={"novel": [1]})


def test_what_does_not_fit_its_field_is_extra_and_costs_no_other() -> None:
    info = {"name": ["SYM"], "type": 7, "novel": 1, "pricescale": 100, "timezone": "Etc/UTC"}
    extra = {"name": ["SYM"], "type": 7, "novel": 1}
    assert symbol_info("EX:SYM", info) == SymbolInfo("EX:SYM", pricescale=100, timezone="Etc/UTC", extra=extra)


def test_the_symbol_is_the_one_that_was_asked_for() -> None:
    assert symbol_info("EX:SYM", {"symbol": "OTHER", "extra": 1}) == SymbolInfo("EX:SYM", extra={"symbol": "OTHER", "extra": 1})
