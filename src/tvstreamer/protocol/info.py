"""What a server says of a symbol, as an event."""

from __future__ import annotations

from typing import Any

import msgspec

from tvstreamer.events import SymbolInfo

_INFO_KEYS = {
    "type" if name == "kind" else name: name
    for name in SymbolInfo.__struct_fields__
    if name not in ("symbol", "extra")
}


def symbol_info(symbol: str, info: dict[str, Any]) -> SymbolInfo:
    """The event for the info of a `symbol_resolved`; what does not fit its field stays in `extra`."""
    known: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for key, value in info.items():
        if key in _INFO_KEYS:
            known[_INFO_KEYS[key]] = value
        else:
            extra[key] = value
    try:
        return _convert_info(symbol, known, extra)
    except msgspec.ValidationError:
        # One by one, as the others are not to suffer from one that is odd.
        for key, name in _INFO_KEYS.items():
            if name in known and not _fits(name, known[name]):
                extra[key] = known.pop(name)
        return _convert_info(symbol, known, extra)


def _convert_info(symbol: str, known: dict[str, Any], extra: dict[str, Any]) -> SymbolInfo:
    return msgspec.convert({"type": "symbol_info", **known, "symbol": symbol, "extra": extra}, SymbolInfo)


def _fits(name: str, value: Any) -> bool:
    try:
        _convert_info("", {name: value}, {})
    except msgspec.ValidationError:
        return False
    return True
