"""The price process: what a symbol's price does between 1990 and 2100, from its listing and a seed, in any order.

Prices are made from the top down. A random walk gives each trading day its close; the day gets a high, a low, a number
of ticks and a volume; these are split among its hours, each hour's among its minutes, each minute's among its ticks.
Each split meets the extremes and the sums of the whole exactly, in whole numbers, so a daily bar is what its ticks add
up to, and yet thousands of daily bars need none of them. Nothing is kept but small caches.

What is lifelike: sizes and spreads of moves from seconds to months, empty minutes of thin symbols, sessions, holidays
(after one the day opens somewhere else). What is not: any other day opens where the one before closed, volume and
activity are even over the day, prices stay within a factor of a few of where they were in mid 2025, there are no
trends, dividends or crashes, and no two symbols move together. Splits and trading before and after the session are
laid over this process by `variants`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property, lru_cache
from itertools import accumulate
from math import isqrt
from struct import iter_unpack, unpack
from typing import Final, Literal, NamedTuple, Protocol

import msgspec

from tvstreamer.server.market.calendar import Calendar
from tvstreamer.server.market.listing import Listing, digest

_ANCHOR: Final = 1_751_328_000
"""2025-07-01: on this day prices are what the listing says."""

_FEWEST: Final = 4
"""A part of a day has no ticks or at least four. With four any open, high, low and close can be had."""

# The walk has a value every 64 days from the beginning, and in between where it is looked at.
_BLOCK: Final = 64
_BLOCKS: Final = 1_024
_LONG: Final = 256
"""Days over which the walk wanders freely; over more it is held back, so that prices stay in sight of the listing's."""

_NANO: Final = 10**9
_FIXED: Final = 48

_HOUR: Final = 3_600
_HALTED_DAYS: Final = 64
"""Of 256 trading days, so many have a halt, at a symbol that has halts at all."""


class Part(msgspec.Struct, frozen=True, gc=False):
    """A day, an hour or a minute of trading, from `time` to before `end`. Prices in units, volume in lots."""

    level: Literal["day", "hour", "minute"]
    time: int
    end: int
    count: int
    open: int
    high: int
    low: int
    close: int
    lots: int


class Trade(msgspec.Struct, frozen=True, gc=False):
    """A tick in units and lots. `time` has milliseconds."""

    time: float
    units: int
    lots: int


class _Noise(NamedTuple):
    """The randomness of one piece of a split: two numbers of 16 bits and four of 8."""

    move: int
    rounding: int
    above: int
    below: int
    activity: int
    turnover: int


class PriceProcess(Protocol):
    """What a symbol's price does.

    `day(number)` is a trading day as a whole; `parts(part)` are the hours of a day, counted from the opening of each
    session, or the minutes of an hour, without those that have no tick; `trades(part)` are the ticks of a minute.
    """

    def day(self, number: int, /) -> Part: ...
    def parts(self, whole: Part, /) -> list[Part]: ...
    def trades(self, minute: Part, /) -> list[Trade]: ...


class Prices:
    """The price process of one symbol in its regular sessions."""

    def __init__(self, listing: Listing, seed: int) -> None:
        self._listing = listing
        self._calendar: Calendar = listing.calendar
        self._name = f"{seed}/{listing.symbol}"
        # Small on purpose: live ticks need the newest day, hour and minute, and a long history passes by only once.
        self._walk = lru_cache(maxsize=8)(self._make_walk)
        self.day = lru_cache(maxsize=32)(self._make_day)
        self.parts = lru_cache(maxsize=16)(self._make_parts)
        self.trades = lru_cache(maxsize=16)(self._make_trades)

    @cached_property
    def _far(self) -> list[int]:
        """The whole past and future in coarse steps. Drawn when it is needed: many symbols are only asked who they are."""
        return self._displaced([0] * (_BLOCKS + 1), _BLOCK, "far")

    @cached_property
    def _level(self) -> int:
        anchor = self._calendar.day_at(_ANCHOR)
        return self._logarithms(anchor // _BLOCK)[anchor % _BLOCK]

    def _make_day(self, number: int) -> Part:
        listing = self._listing
        block, place = divmod(number, _BLOCK)
        before, close = self._walk(block)[place : place + 2]
        above, below, activity, turnover, gap = unpack("<5H", digest(self._name, "day", number, size=10))
        open_ = max(1, before + gap % 5 - 2)
        move = before * listing.volatility // 1_000_000
        count = max(_FEWEST, listing.ticks * (49_152 + activity // 2) >> 16)
        spans = self._calendar.spans(number)
        # A day that ends early has less of everything.
        seconds = sum(closes - opens for opens, closes in spans)
        count = max(_FEWEST, count * seconds // self._calendar.length)
        lots = (listing.lots * (32_768 + turnover) >> 16) * seconds // self._calendar.length
        return Part(
            level="day",
            time=spans[0][0],
            end=spans[-1][1],
            count=count,
            open=open_,
            high=max(open_, close) + (move * above * 4 // 5 >> 16),
            low=max(1, min(open_, close) - (move * below * 4 // 5 >> 16)),
            close=close,
            lots=count + lots,
        )

    def _make_parts(self, whole: Part) -> list[Part]:
        if whole.level == "hour" and not self._listing.halts:
            return self.split(whole, [(whole.time, whole.end)])
        number = self._calendar.day_at(whole.time)
        spans = self._calendar.spans(number) if whole.level == "day" else [(whole.time, whole.end)]
        return self.split(whole, spans, self._halt(number) if self._listing.halts else None)

    def _halt(self, number: int) -> tuple[int, int] | None:
        """When trading pauses on a day, in whole minutes; on most it does not."""
        which, begin, length = unpack("<BHB", digest(self._name, "halt", number, size=4))
        if which >= _HALTED_DAYS:
            return None
        opens, closes = self._calendar.spans(number)[0]
        # Not right after the opening and not until the close, so that the day has trades before and after.
        minutes = (closes - opens) // 60
        pause = 5 + length % 56
        start = opens + 60 * (10 + begin % max(1, minutes - pause - 20))
        return start, start + 60 * pause

    def split(self, whole: Part, spans: Iterable[tuple[int, int]], halt: tuple[int, int] | None = None) -> list[Part]:
        """The hours within the sessions of a day, or the minutes of an hour; nothing is traded during a halt."""
        length = _HOUR if whole.level == "day" else 60
        # The last hour of a session may be a short one.
        starts, lengths = [], []
        for begin, end in spans:
            for start in range(begin, end, length):
                starts.append(start)
                lengths.append(min(length, end - start))
        noise = self._noise(whole, len(starts))
        traded = lengths
        if halt is not None:
            traded = [size - _overlap((start, start + size), halt) for start, size in zip(starts, lengths, strict=True)]
        counts = _counts(whole.count, [size * (64 + some.activity) for size, some in zip(traded, noise, strict=True)])
        busy = [place for place, count in enumerate(counts) if count]
        counts = [counts[place] for place in busy]
        noise = [noise[place] for place in busy]

        closes = _bridge(whole.open, whole.close, whole.low, whole.high, noise)
        wick = (whole.high - whole.low) // (2 * isqrt(len(busy)))
        opens: list[int] = []
        highs: list[int] = []
        lows: list[int] = []
        before = whole.open
        for close, some in zip(closes, noise, strict=True):
            # The step between two neighbours is one unit at most, and none at the very beginning.
            open_ = min(whole.high, max(whole.low, before + (0, 0, 1, -1)[some.rounding & 3])) if opens else before
            opens.append(open_)
            highs.append(min(whole.high, max(open_, close) + (wick * some.above >> 8)))
            lows.append(max(whole.low, min(open_, close) - (wick * some.below >> 8)))
            before = close
        highs[highs.index(max(highs))] = whole.high
        lows[lows.index(min(lows))] = whole.low
        lots = _shares(whole.lots, counts, noise)
        level: Literal["hour", "minute"] = "hour" if whole.level == "day" else "minute"
        return [
            Part(level, starts[place], starts[place] + lengths[place], *values)
            for place, *values in zip(busy, counts, opens, highs, lows, closes, lots, strict=True)
        ]

    def _make_trades(self, minute: Part) -> list[Trade]:
        count = minute.count
        noise = self._noise(minute, count)
        prices = [minute.open, *_bridge(minute.open, minute.close, minute.low, minute.high, noise[1:])]
        # First and last are settled; the extremes go to two of those between, of which there are at least two.
        inner = range(1, count - 1)
        if max(prices) < minute.high:
            prices[max(inner, key=prices.__getitem__)] = minute.high
        if min(prices) > minute.low:
            prices[min(inner, key=prices.__getitem__)] = minute.low
        # One more gap than ticks, so that the last is not always at the end. Each is at least a few milliseconds.
        gaps = list(accumulate([16 + some.activity for some in noise]))
        scale = gaps[-1] + 16 + noise[0].above
        lots = _shares(minute.lots, [1] * count, noise)
        return [
            Trade((minute.time * 1_000 + 60_000 * gap // scale) / 1_000, units, size)
            for gap, units, size in zip(gaps, prices, lots, strict=True)
        ]

    def _noise(self, whole: Part, pieces: int) -> list[_Noise]:
        dice = digest(self._name, whole.level, whole.time, size=8 * pieces)
        return [_Noise._make(values) for values in iter_unpack("<HHBBBB", dice)]

    def _make_walk(self, block: int) -> list[int]:
        """The prices, in units, at the beginning of the 64 days of a block and at the end of the last."""
        return [self._price(logarithm - self._level) for logarithm in self._logarithms(block)]

    def _logarithms(self, block: int) -> list[int]:
        line = [self._far[block], *[0] * (_BLOCK - 1), self._far[block + 1]]
        return self._displaced(line, 1, block)

    def _displaced(self, line: list[int], days: int, name: object) -> list[int]:
        """Fills a line between its ends by midpoint displacement: a random walk whose middle is known before the rest.

        Its points are `days` apart; the values are natural logarithms, in billionths.
        """
        size = len(line) - 1
        noise = iter(unpack(f"<{size}h", digest(self._name, "walk", name, size=2 * size)))
        step = size
        while step > 1:
            half = step // 2
            # The middle of a walk of n steps strays by sqrt(n) / 2 of one step; uniform noise needs sqrt(3) for that.
            reach = self._listing.volatility * 866 * isqrt(min(step * days, _LONG) * 10**6) // 1_000
            for middle in range(half, size, step):
                line[middle] = (line[middle - half] + line[middle + half]) // 2 + (reach * next(noise) >> 15)
            step = half
        return line

    def _price(self, logarithm: int) -> int:
        # exp() of the platform's library may differ in the last bit; (1 + x/1024)**1024 in whole numbers does not.
        factor = (1 << _FIXED) + (logarithm << _FIXED) // (1_024 * _NANO)
        for _ in range(10):
            factor = factor * factor >> _FIXED
        return max(1, self._listing.base * factor >> _FIXED)


def _overlap(one: tuple[int, int], other: tuple[int, int]) -> int:
    return max(0, min(one[1], other[1]) - max(one[0], other[0]))


def _counts(total: int, weights: Iterable[int]) -> list[int]:
    """Shares out ticks by weight. Who would get fewer than four gets none, and the next gets them."""
    sums = list(accumulate(weights))
    counts = []
    given = last = 0
    for place, reached in enumerate(sums):
        count = total * reached // sums[-1] - given
        if count < _FEWEST:
            count = 0
        else:
            last = place
        counts.append(count)
        given += count
    counts[last] += total - given
    return counts


def _shares(total: int, counts: Sequence[int], noise: Sequence[_Noise]) -> list[int]:
    """Shares out the volume, at least one lot for each tick."""
    sums = list(accumulate(count * (16 + some.turnover) for count, some in zip(counts, noise, strict=True)))
    spare = total - sum(counts)
    shares = []
    given = 0
    for count, reached in zip(counts, sums, strict=True):
        upto = spare * reached // sums[-1]
        shares.append(count + upto - given)
        given = upto
    return shares


def _bridge(start: int, goal: int, low: int, high: int, noise: Sequence[_Noise]) -> list[int]:
    """A random path from start to goal, between low and high; it is as long as the noise, and ends with the goal."""
    steps = len(noise)
    # In 1/65536 of a unit. A walk of n steps covers about sqrt(n) times the reach of one.
    reach = (high - low << 26) // isqrt(steps << 20)
    path = []
    value = start
    for left, some in zip(range(steps, 1, -1), noise, strict=False):
        drift = (goal - value << 16) // left
        # Rounded at random: otherwise small moves would all vanish.
        value += (drift + (reach * (some.move - 32_768) >> 15) + some.rounding) >> 16
        if value > high:
            value = max(low, 2 * high - value)
        elif value < low:
            value = min(high, 2 * low - value)
        path.append(value)
    path.append(goal)
    return path
