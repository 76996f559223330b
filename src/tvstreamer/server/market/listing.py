"""What a symbol of the synthetic market is: its kind, steps, currencies and hours, and how the wire describes it.

Everything follows from the exchange, the ticker and the seed. Well-known names get a familiar price and size, all
others a random one; the texts are made up, and say so. The symbols of the exchange `EXAMPLE` are examples of what a
client should be able to live with; docs/markets.md has them in a table.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from datetime import date
from fractions import Fraction
from typing import Any, Final

import msgspec

from tvstreamer.constants import NO_VALUE
from tvstreamer.server.market.bars import Grid
from tvstreamer.server.market.calendar import Calendar
from tvstreamer.server.market.exchanges import EXCHANGES

_CRYPTO: Final = frozenset(
    "BINANCE BINANCEUS BITFINEX BITGET BITMEX BITSTAMP BYBIT COINBASE CRYPTO CRYPTOCOM DERIBIT GATEIO GEMINI HUOBI"
    " KRAKEN KUCOIN MEXC OKX POLONIEX".split()
)
_FOREX: Final = frozenset("FOREXCOM FX FX_IDC FXCM FXOPEN OANDA PEPPERSTONE SAXO".split())
_INDEX: Final = frozenset("INDEX TVC".split())
_IN_DOLLARS: Final = {
    "BTC": 108_000.0, "ETH": 3_500.0, "BNB": 650.0, "SOL": 170.0, "LTC": 90.0, "XRP": 2.3, "ADA": 0.75, "DOGE": 0.2,
    "USD": 1.0, "USDT": 1.0, "USDC": 1.0, "FDUSD": 1.0, "BUSD": 1.0, "TUSD": 1.0, "DAI": 1.0,
    "EUR": 1.08, "GBP": 1.27, "CHF": 1.12, "AUD": 0.66, "NZD": 0.6, "CAD": 0.73, "SGD": 0.75, "CNY": 0.14,
    "SEK": 0.095, "BRL": 0.18, "TRY": 0.025, "INR": 0.012, "JPY": 0.0067,
}  # fmt: skip
_QUOTED_IN: Final = (
    "FDUSD", "USDT", "USDC", "BUSD", "TUSD", "USD", "DAI", "EUR", "GBP", "JPY", "TRY", "BRL", "AUD", "INR", "BTC",
    "ETH", "BNB",
)  # fmt: skip
"""Longer names before the shorter ones that they end with."""

_FAMILIAR: Final = {
    "AAPL": 200.0, "AMZN": 190.0, "GOOGL": 170.0, "META": 520.0, "MSFT": 430.0, "NVDA": 130.0, "TSLA": 250.0,
    "SPY": 560.0, "SAP": 220.0, "SIE": 180.0, "RELIANCE": 1_400.0, "INFY": 1_600.0, "NIFTY": 24_500.0,
    "SPX": 5_600.0, "NDX": 19_500.0, "DJI": 42_000.0, "DXY": 104.0, "VIX": 17.0, "GOLD": 2_600.0,
}  # fmt: skip

_NAMES: Final = {
    "TSE:7203": "トヨタ自動車", "TSE:6758": "ソニーグループ", "HKEX:700": "騰訊控股", "XETR:MUV2": "Münchener Rückversicherung",
    "EXAMPLE:ASTRAL": "𝔄𝔰𝔱𝔯𝔞𝔩 🚀 Çompany",  # noqa: RUF001 - this is the example
}  # fmt: skip
_SPLITS: Final[dict[str, tuple[tuple[date, int | Fraction], ...]]] = {
    "NASDAQ:AAPL": ((date(2005, 2, 28), 2), (date(2014, 6, 9), 7), (date(2020, 8, 31), 4)),
    "NASDAQ:AMZN": ((date(2022, 6, 6), 20),),
    "NASDAQ:GOOGL": ((date(2022, 7, 18), 20),),
    "NASDAQ:NVDA": ((date(2021, 7, 20), 4), (date(2024, 6, 10), 10)),
    "NASDAQ:TSLA": ((date(2020, 8, 31), 5), (date(2022, 8, 25), 3)),
    "EXAMPLE:SPLIT": ((date(2025, 6, 16), 3),),
    "EXAMPLE:REVERSE": ((date(2025, 6, 16), Fraction(1, 10)),),
}
"""How many shares became of one, by the days on which they traded at the new price."""

_DELAY: Final = 900
_EXAMPLES: Final = ("ASTRAL", "DELAYED", "ENDOFDAY", "HALTS", "INDEX", "NOVOLUME", "PLAIN", "REVERSE", "SPLIT", "THIN")
_SORTED_KEYS: Final = 32


class Listing(msgspec.Struct, frozen=True):
    """One symbol of the market: what never changes about it.

    `base` is its price in units on the anchor day, `volatility` the typical move of a day in millionths, `ticks` and
    `lots` the typical number of trades and volume of a day. `extended` are the hours with the trading before and after
    the session, where there is such a thing, and `session` says which of the two are shown. `delay` is by how many
    seconds the feed is late; one that is `end_of_day` brings nothing before that.
    """

    exchange: str
    ticker: str
    kind: str
    typespecs: tuple[str, ...]
    currency: str
    base_currency: str
    country: str
    calendar: Calendar
    grid: Grid
    base: int
    volatility: int
    ticks: int
    lots: int
    extended: Calendar | None = None
    session: str = "regular"
    splits: tuple[tuple[date, int | Fraction], ...] = ()
    halts: bool = False
    delay: int = 0
    end_of_day: bool = False
    name: str = ""
    origin: str = "synthetic"

    @property
    def hours(self) -> Calendar:
        """The hours that are shown."""
        return self.extended if self.extended is not None and self.session == "extended" else self.calendar

    @property
    def update_mode(self) -> str:
        if self.end_of_day:
            return "endofday"
        return f"delayed_streaming_{self.delay}" if self.delay else "streaming"

    @property
    def symbol(self) -> str:
        return f"{self.exchange}:{self.ticker}"

    @property
    def description(self) -> str:
        pair = f"{self.base_currency} / {self.currency}" if self.base_currency else self.ticker
        return f"{self.name or pair}, {self.origin}"


class DayPrices(msgspec.Struct, frozen=True):
    """The prices that a quote shows: the newest one, and those of its trading day so far."""

    last: float
    time: float
    open: float
    high: float
    low: float
    previous: float
    volume: float | None
    change: float
    bid: float
    ask: float
    bid_size: float
    ask_size: float


def digest(*parts: object, size: int = 8) -> bytes:
    """Random-looking bytes that depend on nothing but the parts, on any platform and Python."""
    return hashlib.shake_128("\0".join(map(str, parts)).encode()).digest(size)


def exists(symbol: str) -> bool:
    """All symbols do, but for those of `EXAMPLE` that are not in the table."""
    exchange, ticker = symbol.split(":", 1)
    return exchange != "EXAMPLE" or ticker in _EXAMPLES


def make_listing(symbol: str, seed: int) -> Listing:
    """The listing of an `EXCHANGE:TICKER` in canonical spelling."""
    exchange, ticker = symbol.split(":", 1)
    dice = digest("listing", seed, symbol)
    if exchange == "EXAMPLE":
        return _example(ticker, dice)
    if exchange in EXCHANGES:
        return _listed(exchange, ticker, dice)
    if exchange in _FOREX:
        return _forex(exchange, ticker, dice)
    if exchange in _INDEX:
        return _index(exchange, ticker, dice)
    return _spot(exchange, ticker, dice)


def _spot(exchange: str, ticker: str, dice: bytes) -> Listing:
    """A pair that trades around the clock. On an exchange that nobody knows it is no more than a price in dollars."""
    base, currency = _pair(ticker) if exchange in _CRYPTO else ("", "USD")
    price = _IN_DOLLARS.get(base, _random_price(dice)) / _IN_DOLLARS[currency]
    pricescale = _pricescale(price, 100, 10_000)
    volumescale = 10**5 if price >= 100 else 10
    return Listing(
        exchange=exchange,
        ticker=ticker,
        kind="swap" if ticker.endswith(".P") else "spot",
        typespecs=("crypto",) if exchange in _CRYPTO else (),
        currency=currency,
        base_currency=base,
        country="ZZ",
        calendar=Calendar("24x7", "Etc/UTC"),
        grid=Grid(1, pricescale, volumescale, True),
        base=round(price * pricescale),
        volatility=20_000,
        ticks=24 * 1_800 if base in _IN_DOLLARS else 24 * (60, 240, 720, 1_440)[dice[2] % 4],
        lots=round(5e8 / (price * _IN_DOLLARS[currency]) * volumescale) if base in _IN_DOLLARS else 10**7,
    )


def _listed(exchange: str, ticker: str, dice: bytes) -> Listing:
    """A share, or a future: what has sessions and holidays."""
    place = EXCHANGES[exchange]
    price = _FAMILIAR.get(ticker, _random_price(dice))
    scale = place.pricescale
    calendar = place.calendar
    a_minute = 20 if ticker in _FAMILIAR else (1, 4, 8, 16)[dice[2] % 4]
    symbol = f"{exchange}:{ticker}"
    return Listing(
        exchange=exchange,
        ticker=ticker,
        kind=place.kind,
        typespecs=("common",) if place.kind == "stock" else (),
        currency=place.currency,
        base_currency="",
        country=place.country,
        calendar=calendar,
        grid=Grid(place.minmov, scale, 1, True),
        base=max(1_000, round(price * scale / place.minmov)),
        volatility=14_000,
        ticks=a_minute * calendar.length // 60,
        lots=round(5e9 / price),
        extended=place.extended_calendar,
        splits=_SPLITS.get(symbol, ()),
        name=_NAMES.get(symbol, ""),
    )


def _example(ticker: str, dice: bytes) -> Listing:
    """A share that is an example of one thing that feeds have and clients stumble over."""
    listing = _listed("EXAMPLE", ticker, dice)
    changed = msgspec.structs.replace(listing, ticks=4 * listing.calendar.length // 60)
    match ticker:
        case "DELAYED":
            return msgspec.structs.replace(changed, delay=_DELAY)
        case "ENDOFDAY":
            return msgspec.structs.replace(changed, end_of_day=True)
        case "HALTS":
            return msgspec.structs.replace(changed, halts=True)
        case "INDEX":
            grid = Grid(1, 100, 1, False)
            return msgspec.structs.replace(changed, kind="index", typespecs=(), grid=grid, lots=0, extended=None)
        case "NOVOLUME":
            return msgspec.structs.replace(changed, grid=Grid(1, 100, 1, False), lots=0)
        case "THIN":
            return msgspec.structs.replace(listing, ticks=80, lots=20_000)
        case _:
            return changed


def _forex(exchange: str, ticker: str, dice: bytes) -> Listing:
    base, currency = ticker[:3], ticker[3:6]
    if len(ticker) != 6 or currency not in _IN_DOLLARS:
        base, currency = "", "USD"
    price = _IN_DOLLARS.get(base, _random_price(dice)) / _IN_DOLLARS[currency]
    pricescale = _pricescale(price, 10, 50_000)
    return Listing(
        exchange=exchange,
        ticker=ticker,
        kind="forex",
        typespecs=(),
        currency=currency,
        base_currency=base,
        country="ZZ",
        calendar=Calendar("0000-0000:23456", "Etc/UTC"),
        grid=Grid(1, pricescale, 1, True),
        base=round(price * pricescale),
        volatility=5_000,
        ticks=24 * 1_200,
        lots=24 * 3_600,
    )


def _index(exchange: str, ticker: str, dice: bytes) -> Listing:
    price = _FAMILIAR.get(ticker, 10 * _random_price(dice))
    return Listing(
        exchange=exchange,
        ticker=ticker,
        kind="index",
        typespecs=(),
        currency="USD",
        base_currency="",
        country="ZZ",
        calendar=Calendar("24x7", "Etc/UTC"),
        grid=Grid(1, 100, 1, False),
        base=round(price * 100),
        volatility=9_000,
        ticks=24 * 480,
        lots=0,
    )


def _pair(ticker: str) -> tuple[str, str]:
    name = ticker.removesuffix(".P")
    for currency in _QUOTED_IN:
        if name.endswith(currency) and name != currency:
            return name.removesuffix(currency), currency
    return name, "USD"


def _pricescale(price: float, factor: int, steps: int) -> int:
    """As many decimals as it takes for the price to be at least that many steps, at least two."""
    scale = 100
    while price * scale < steps:
        scale *= factor
    return scale


def _random_price(dice: bytes) -> float:
    """From 1 to 1000, small prices as frequent as large ones."""
    return (1.0, 10.0, 100.0)[dice[0] % 3] * (1 + dice[1] * 9 / 256)


def exchange_rate(currency: str, into: str) -> float | None:
    """What one unit of a currency costs in another one, the same at any time; None where one of them is not known."""
    rates = _IN_DOLLARS.get(currency), _IN_DOLLARS.get(into)
    return None if rates[0] is None or rates[1] is None else rates[0] / rates[1]


def symbol_info(listing: Listing) -> dict[str, Any]:
    """What `symbol_resolved` carries, in the wire's order of keys (seen 2025-07-06 and 2026-10-02)."""
    hours = listing.hours
    name = listing.exchange.title()
    values: dict[str, Any] = {
        "source2": {
            "country": listing.country,
            "description": f"{name}, {listing.origin}",
            "exchange-type": "exchange",
            "id": listing.exchange,
            "name": name,
            "url": "https://exchange.example/",
        },
        "currency_code": listing.currency,
        "source_id": listing.exchange,
    }
    if hours.holidays:
        values["session_holidays"] = hours.holidays
    values |= {"subsession_id": listing.session, "provider_id": listing.origin.replace(" ", "-")}
    if listing.base_currency:
        values |= {
            "base_currency_id": _currency_id(listing.base_currency, listing),
            "base_currency": listing.base_currency,
        }
    values |= {
        "currency_id": _currency_id(listing.currency, listing),
        "format": "price",
        "formatter": "price",
        "pro_perm": "",
    }
    if listing.base_currency:
        values["volume_type"] = "tick" if listing.kind == "forex" else "base"
    values |= {
        "measure": "price",
        "allowed_adjustment": "splits" if listing.splits else "none",
        "short_description": listing.description,
        "variable_tick_size": "",
        "name": listing.ticker,
        "full_name": listing.symbol,
        "pro_name": listing.symbol,
        "base_name": [listing.symbol],
        "description": listing.description,
        "exchange": name,
        "pricescale": listing.grid.pricescale,
        "pointvalue": 1.0,
        "minmov": listing.grid.minmov,
        "session": hours.session,
        "session_display": hours.session,
        "subsessions": _subsessions(listing),
        "type": listing.kind,
        "typespecs": list(listing.typespecs),
        "has_intraday": True,
        "fractional": False,
        "listed_exchange": listing.exchange,
        "legs": [listing.symbol],
        "is_tradable": listing.kind != "index",
        "minmove2": 0,
        "timezone": hours.timezone,
        "aliases": [],
        "alternatives": [],
        "is_replayable": True,
        "has_adjustment": bool(listing.splits),
        "has_extended_hours": listing.extended is not None,
        "bar_source": "trade",
        "bar_transform": "none",
        "bar_fillgaps": False,
        "visible_plots_set": "ohlcv" if listing.grid.has_volume else "ohlc",
        "is-tickbars-available": True,
        "exchange_listed_name": name,
    }
    if listing.delay:
        values["delay"] = listing.delay
    return values


def _subsessions(listing: Listing) -> list[dict[str, Any]]:
    regular = [_subsession("regular", "Regular hours", listing.calendar)]
    extended = listing.extended
    return regular if extended is None else [*regular, _subsession("extended", "Extended hours", extended)]


def _subsession(name: str, description: str, calendar: Calendar) -> dict[str, Any]:
    values: dict[str, Any] = {
        "description": description,
        "id": name,
        "private": False,
        "session": calendar.session,
        "session-display": calendar.session,
    }
    if calendar.corrections:
        values["session-correction"] = calendar.corrections
    return values


def _currency_id(currency: str, listing: Listing) -> str:
    # The real feed marks its own currencies, the ones without a country, with this prefix.
    crypto = "crypto" in listing.typespecs and (len(currency) > 3 or currency in ("BTC", "ETH", "BNB", "SOL", "XRP"))
    return f"XTVC{currency}" if crypto else currency


def quote_facts(listing: Listing) -> dict[str, Any]:
    """What a quote session knows of a symbol whatever the time."""
    info = symbol_info(listing)
    return {name: info[name] for name in _FROM_INFO if name in info} | {
        "country_code": listing.country,
        "language": "en",
        "local_description": listing.description,
        "original_name": listing.symbol,
        "short_name": listing.ticker,
        "update_mode": listing.update_mode,
        "visible-plots-set": info["visible_plots_set"],
        # Prices outside of the regular session are those of the extended one, and told as such.
        "rch": None,
        "rchp": None,
        "rtc": None,
        "rtc_time": None,
    }


def quote_prices(prices: DayPrices | None, current_session: str, *, has_book: bool = True) -> dict[str, Any]:
    """What changes about a quote. Fields without a value are left out, as on the wire: an index has no bid."""
    values: dict[str, Any] = {"current_session": current_session}
    if prices is not None:
        values |= {
            "lp": prices.last,
            "lp_time": int(prices.time),
            "ch": prices.change,
            "chp": round(100 * prices.change / prices.previous, 2) if prices.previous else 0.0,
            "volume": NO_VALUE if prices.volume is None else prices.volume,
            "open_price": prices.open,
            "high_price": prices.high,
            "low_price": prices.low,
            "prev_close_price": prices.previous,
        }
        if has_book:
            values |= {
                "bid": prices.bid,
                "ask": prices.ask,
                "bid_size": prices.bid_size,
                "ask_size": prices.ask_size,
            }
    return values


def as_on_the_wire(values: dict[str, Any], fields: Collection[str] | None) -> dict[str, Any]:
    """The values of these fields, of all without fields. Up to 32 keys stand in descending order (seen 2025-12-18)."""
    if fields is not None:
        wanted = frozenset(fields)
        values = {name: value for name, value in values.items() if name in wanted}
    return dict(sorted(values.items(), reverse=True)) if len(values) <= _SORTED_KEYS else values


_FROM_INFO: Final = (
    "source2", "currency_code", "source_id", "subsession_id", "provider_id", "base_currency_id", "base_currency",
    "currency_id", "format", "pro_perm", "measure", "allowed_adjustment", "short_description", "variable_tick_size",
    "name", "full_name", "pro_name", "base_name", "description", "exchange", "pricescale", "pointvalue", "minmov",
    "session", "session_display", "session_holidays", "subsessions", "type", "typespecs", "fractional", "listed_exchange",
    "is_tradable", "minmove2", "timezone", "exchange_listed_name",
)  # fmt: skip
