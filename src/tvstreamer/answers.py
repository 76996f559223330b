"""What a client asks for once: bars of history, or quotes as they stand; and what a tape says to that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import overload

from tvstreamer.errors import TapeMismatch
from tvstreamer.events import Bar, Quote
from tvstreamer.intervals import Interval
from tvstreamer.protocol.snapshots import QuoteRequest


class HistoryResult(Sequence[Bar]):
    """Bars, oldest first. `complete` tells whether they are all that was asked for, or all there are.

    `limit` is what cut them: `limit` where the account may not see more. Without it and not `complete`, the server gave no more
    bars and did not say why.
    """

    def __init__(self, bars: Sequence[Bar], *, complete: bool, limit: str | None = None) -> None:
        self._bars = tuple(bars)
        self.complete = complete
        self.limit = limit

    @overload
    def __getitem__(self, index: int) -> Bar: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Bar]: ...
    def __getitem__(self, index: int | slice) -> Bar | Sequence[Bar]:
        return self._bars[index]

    def __len__(self) -> int:
        return len(self._bars)

    def __repr__(self) -> str:
        return f"<HistoryResult of {len(self)} bars, complete={self.complete}, limit={self.limit}>"


class QuoteSnapshot(Mapping[str, Quote]):
    """A `Quote` for each symbol.

    `failed` has the reason for each that is unknown, or that this account may not see; the `status` of their quotes is not `ok`.
    """

    def __init__(self, quotes: Mapping[str, Quote], failed: Mapping[str, str]) -> None:
        self._quotes = dict(quotes)
        self.failed = dict(failed)

    def __getitem__(self, symbol: str) -> Quote:
        return self._quotes[symbol]

    def __iter__(self) -> Iterator[str]:
        return iter(self._quotes)

    def __len__(self) -> int:
        return len(self._quotes)

    def __repr__(self) -> str:
        return f"<QuoteSnapshot of {len(self)} symbols, {len(self.failed)} failed>"


def recorded_history(
    path: Path, symbol: str, interval: Interval, n: int | None, *, start: float | None, end: float | None
) -> HistoryResult:
    """The bars of a recorded series that is long enough. Raises `TapeMismatch`."""
    from tvstreamer.tape import history

    found = history.recorded_history(path, symbol, str(interval), n, start=start, end=end)
    if found is None:
        what = f"{n} bars" if start is None else f"bars from {start:.0f} on"
        raise TapeMismatch(f"{path.name} holds no series of {symbol} {interval} with {what}")
    return HistoryResult(found.bars, complete=found.complete, limit=found.limit)


def recorded_quotes(path: Path, symbols: list[str], fields: tuple[str, ...] | None, *, exactly: bool) -> QuoteRequest:
    """What was recorded first of each symbol, with all the fields if it is to be `exactly` these. Raises `TapeMismatch`."""
    from tvstreamer.tape import quotes

    request = quotes.recorded_quotes(path, symbols, fields, exactly=exactly)
    if not request.done:
        what = "all fields" if fields is None else f"the fields {', '.join(fields)}" if exactly else "such fields"
        missing = ", ".join(symbol for symbol in symbols if symbol not in request.quotes)
        raise TapeMismatch(f"{path.name} holds no quote of {missing} with {what}")
    return request
