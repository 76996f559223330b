"""How a market is spelled: `fake:seed=7`, a file of bars, a tape; alone, or for the symbols of a pattern."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

from tvstreamer.errors import InvalidSource, shorten
from tvstreamer.server.market.bar_market import BarMarket
from tvstreamer.server.market.symbol import MarketSource
from tvstreamer.server.market.synthetic import SyntheticMarket
from tvstreamer.server.market.tape_market import TapeMarket

Spec: TypeAlias = "str | os.PathLike[str] | MarketSource"

BAR_FILES: Final = (".csv", ".tsv", ".txt", ".parquet", ".pq")
_TAPES: Final = (".jsonl", ".jsonl.gz", ".jsonl.zst")
_EXPECTED: Final = "expected fake, fake:seed=7,halts=yes,delay=900, a file of bars (.csv, .parquet), or a tape (.jsonl)"
_MOST_DELAY: Final = 7 * 86_400


def market_sources(market: Spec | Mapping[str, Spec]) -> dict[str, MarketSource]:
    """Sources by pattern. One alone is for all symbols. Raises `InvalidSource`, and what reading a file raises."""
    if not isinstance(market, Mapping):
        return {"*": market_source(market)}
    if not market:
        raise InvalidSource("market {}: expected at least one pattern")
    for pattern in market:
        if not _is_pattern(pattern):
            raise InvalidSource(f"market pattern {shorten(pattern)}: expected * or one of symbols, such as BINANCE:*")
    return {pattern: market_source(spec) for pattern, spec in market.items()}


def market_source(spec: Spec) -> MarketSource:
    """A source from its spelling; one that is a source already is returned."""
    if isinstance(spec, str) and spec.partition(":")[0] == "fake":
        return _synthetic(spec)
    if not isinstance(spec, str | os.PathLike):
        if callable(getattr(spec, "find", None)):
            return spec
        raise InvalidSource(f"market {shorten(spec)}: {_EXPECTED}")
    path = Path(spec)
    name = path.name.lower()
    if name.endswith(_TAPES):
        if not path.is_file():
            raise InvalidSource(f"market {shorten(str(path))}: no such file; {_EXPECTED}")
        return TapeMarket(path)
    if name.endswith(BAR_FILES):
        return BarMarket.read(path)
    raise InvalidSource(f"market {shorten(str(path))}: {_EXPECTED}")


def parse_markets(texts: Iterable[str]) -> dict[str, Spec]:
    """What `--market` was given: `PATTERN=SPEC`, or a `SPEC` for all symbols. Raises `InvalidSource`."""
    markets: dict[str, Spec] = {}
    for text in texts:
        pattern, equals, spec = text.partition("=")
        if not equals or text.partition(":")[0] == "fake":
            pattern, spec = "*", text
        if not _is_pattern(pattern) or not spec:
            raise InvalidSource(f"market {shorten(text)}: expected PATTERN=MARKET, such as 'BINANCE:*=bars.csv'")
        if pattern in markets:
            raise InvalidSource(f"market {shorten(text)}: expected a pattern that was not given before")
        markets[pattern] = spec
    return markets


def _is_pattern(text: object) -> bool:
    return isinstance(text, str) and (text == "*" or ":" in text)


def _synthetic(spec: str) -> SyntheticMarket:
    options: dict[str, Any] = {}
    for part in filter(None, spec.partition(":")[2].split(",")):
        key, _, value = part.partition("=")
        if key in options:
            raise InvalidSource(f"market {shorten(spec)}: option {shorten(part)}: expected it once")
        if key in ("seed", "delay") and value.isascii() and value.isdecimal() and len(value) < 20:
            options[key] = int(value)
        elif key == "halts" and value in ("yes", "no"):
            options[key] = value == "yes"
        else:
            raise InvalidSource(f"market {shorten(spec)}: option {shorten(part)}: expected seed=7, halts=yes or delay=900")
    if options.get("delay", 0) > _MOST_DELAY:
        raise InvalidSource(f"market {shorten(spec)}: delay {options['delay']}: expected no more than {_MOST_DELAY} seconds")
    return SyntheticMarket(**options)
