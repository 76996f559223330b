"""Symbol search: what can be asked, as parameters of version 3 of the service, and what its answers mean. No I/O.

What the service may be asked is known from its clients, what it answers from them and from what they make of it; keys that nobody
has named are kept.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from tvstreamer.constants import SEARCH_TYPES
from tvstreamer.errors import InvalidPlan, RemoteProtocolError, shorten

SEARCH_PATH: Final = "/symbol_search/v3/"

MOST_TEXT: Final = 200
_LONGEST_FILTER: Final = 64

_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_COUNTRY = re.compile(r"[A-Za-z]{2}")
_LANGUAGE = re.compile(r"[a-z]{2}(_[A-Z]{2})?")
_FILTER = re.compile(r"[\w .&-]+", re.ASCII)
_TAG = re.compile(r"</?em>")

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """What to search for. Without a text it is everything that passes the filters. Raises `InvalidPlan`.

    `type` is one of `SEARCH_TYPES`, `exchange` the name of an exchange, `country` and `sort_by_country` two letters: the first
    leaves out what is of another country, the second only puts it behind. `lang` is the language of descriptions. The rest
    goes to the service as it is.
    """

    text: str = ""
    type: str | None = None
    exchange: str | None = None
    country: str | None = None
    sort_by_country: str | None = None
    lang: str = "en"
    sector: str | None = None
    product: str | None = None
    economic_category: str | None = None
    centralization: str | None = None
    source_id: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.text, str) or len(self.text) > MOST_TEXT or _CONTROL.search(self.text):
            raise InvalidPlan(
                f"text {shorten(self.text)}: expected at most {MOST_TEXT} characters, none of them a control character"
            )
        if self.type is not None and self.type not in SEARCH_TYPES:
            raise InvalidPlan(f"type {shorten(self.type)}: expected one of {', '.join(SEARCH_TYPES)}")
        for name in ("country", "sort_by_country"):
            _require(name, getattr(self, name), _COUNTRY, "the two letters of a country, such as US")
        _require("lang", self.lang, _LANGUAGE, "a language such as en or de_DE")
        for name in ("exchange", "sector", "product", "economic_category", "centralization", "source_id"):
            _require(name, getattr(self, name), _FILTER, f"a name of at most {_LONGEST_FILTER} letters and digits")

    def parameters(self, start: int) -> dict[str, str]:
        """The parameters of one page, which begins with the row of this number."""
        # `undefined` is what the site's own pages send for any type.
        found = {
            "text": self.text,
            "hl": "0",
            "exchange": (self.exchange or "").upper(),
            "lang": self.lang,
            "search_type": self.type or "undefined",
            "domain": "production",
            "start": str(start),
        }
        for name in ("sort_by_country", "country"):
            if value := getattr(self, name):
                found[name] = value.upper()
        for name in ("sector", "product", "economic_category", "centralization", "source_id"):
            if value := getattr(self, name):
                found[name] = value
        return found


def _require(name: str, value: object, pattern: re.Pattern[str], expected: str) -> None:
    if value is None or (isinstance(value, str) and len(value) <= _LONGEST_FILTER and pattern.fullmatch(value)):
        return
    raise InvalidPlan(f"{name} {shorten(value)}: expected {expected}")


class SymbolMatch(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="symbol_match"):
    """One row of a search. `symbol` is the whole name, to be subscribed to; what the service leaves out is None.

    `kind` is the row's type (`stock`, `spot`, `futures`, ...). A row of futures names the root, which has no bars; what can be
    subscribed to are its `contracts`. Keys that are not listed here, or hold what they should not, are in `extra`.
    """

    symbol: str
    ticker: str
    exchange: str
    description: str | None = None
    kind: str | None = None
    currency_code: str | None = None
    country: str | None = None
    provider_id: str | None = None
    typespecs: list[str] | None = None
    contracts: list[str] | None = None
    extra: dict[str, Any] = {}

    def to_json(self) -> bytes:
        """This row as one line of JSON, without the line's end."""
        return _encode(self)


@dataclass(frozen=True, slots=True)
class SearchPage:
    """One answer: its rows, the best first, and how many `remaining` ones come behind them. `start` is the first row's number."""

    matches: tuple[SymbolMatch, ...]
    remaining: int
    start: int = 0


def read_page(answer: bytes, start: int) -> SearchPage:
    """A page from the JSON that came. Raises `RemoteProtocolError` for another shape than that of version 3."""
    try:
        value = msgspec.json.decode(answer)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise RemoteProtocolError(f"search: expected JSON, got {_beginning(answer)}") from None
    rows = value.get("symbols") if isinstance(value, dict) else None
    remaining = value.get("symbols_remaining") if isinstance(value, dict) else None
    if not isinstance(rows, list) or not isinstance(remaining, int) or isinstance(remaining, bool) or remaining < 0:
        expected = '{"symbols_remaining":0,"symbols":[...]}'
        raise RemoteProtocolError(f"search: the answer has changed: expected {expected}, got {_beginning(answer)}")
    return SearchPage(tuple(_match(row) for row in rows), remaining, start)


def _beginning(answer: bytes) -> str:
    return shorten(answer[:200].decode("utf-8", "replace"))


def _match(row: object) -> SymbolMatch:
    if not isinstance(row, dict) or not isinstance(row.get("symbol"), str) or not row["symbol"]:
        raise RemoteProtocolError(
            f'search: the answer has changed: expected rows such as {{"symbol":"AAPL",...}}, got {shorten(row)}'
        )
    extra = dict(row)
    ticker = _plain(extra.pop("symbol"))
    exchange = _text(extra, "exchange") or ""
    prefix = extra.get("prefix")
    prefix = prefix if isinstance(prefix, str) and prefix else _prefix_of(exchange)
    contracts = extra.get("contracts")
    return SymbolMatch(
        symbol=_whole(prefix, ticker),
        ticker=ticker,
        exchange=exchange,
        description=_text(extra, "description"),
        kind=_text(extra, "type"),
        currency_code=_text(extra, "currency_code"),
        country=_text(extra, "country"),
        provider_id=_text(extra, "provider_id"),
        typespecs=_texts(extra, "typespecs"),
        # Theirs have more to them than a name, so they stay in `extra`, too.
        contracts=_contracts(prefix, contracts) if isinstance(contracts, list) else None,
        extra=extra,
    )


def _text(row: dict[str, Any], key: str) -> str | None:
    """Takes a text out of a row; anything else stays there."""
    value = row.get(key)
    if value is None or isinstance(value, str):
        row.pop(key, None)
    return _plain(value) if isinstance(value, str) else None


def _texts(row: dict[str, Any], key: str) -> list[str] | None:
    value = row.get(key)
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        return None
    del row[key]
    return value


def _contracts(prefix: str, rows: list[Any]) -> list[str]:
    names = [row.get("symbol") for row in rows if isinstance(row, Mapping)]
    return [_whole(prefix, _plain(name)) for name in names if isinstance(name, str) and name]


def _whole(prefix: str, ticker: str) -> str:
    return ticker if ":" in ticker or not prefix else f"{prefix}:{ticker}"


def _prefix_of(exchange: str) -> str:
    """An exchange's name may go on behind a blank, and none has small letters in a symbol."""
    return exchange.partition(" ")[0].upper()


def _plain(text: str) -> str:
    """A text without the tags that mark what was searched for. Where there are any, the rest is HTML, too."""
    return html.unescape(_TAG.sub("", text)) if "<em>" in text else text
