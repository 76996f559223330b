"""Endpoints, protocol limits and default field lists: the facts of the wire that are plain values."""

from __future__ import annotations

from typing import Final

HOSTS: Final = {
    "data": "data.tradingview.com",
    "prodata": "prodata.tradingview.com",
    "widgetdata": "widgetdata.tradingview.com",
    "history-data": "history-data.tradingview.com",
    "mobile-data": "mobile-data.tradingview.com",
}
"""Short names of the hosts that speak this protocol. `data` is the default for anonymous and free users."""

SITE_DOMAIN: Final = "tradingview.com"
SITE_HOST: Final = f"www.{SITE_DOMAIN}"
"""Where the page is that has the token of who is logged in."""

SEARCH_HOST: Final = f"symbol-search.{SITE_DOMAIN}"
"""Where symbols are searched for."""

SEARCH_TYPES: Final = (
    "stock", "stocks", "futures", "forex", "crypto", "index", "cfd", "economic", "funds", "dr", "bond",
)  # fmt: skip
"""What types of symbols can be searched for."""

SOCKET_PATH: Final = "/socket.io/websocket"
"""The path keeps the name of socket.io 0.x, but what listens there is a plain WebSocket."""

DEFAULT_ORIGIN: Final = "https://www.tradingview.com"
"""A missing or foreign Origin is refused with HTTP 403."""

ANONYMOUS_TOKEN: Final = "unauthorized_user_token"  # noqa: S105 - the public name of "no account", no secret
"""What a client that is not logged in sends as its token."""

NO_VALUE: Final = 1e100
"""The wire writes "no value" as the number 1e+100."""

HEARTBEAT_INTERVAL: Final = 10.0
"""Seconds between two heartbeats of the server (seen 2025-12-18: 9.952 s after the hello, then every 10.0 s)."""

HEARTBEAT_TIMEOUT: Final = 60.0
"""Seconds without an echo after which the fake server drops a client. The real delay is unknown, 20 to 60 s by hearsay."""

MAX_MESSAGE: Final = 32 * 1024 * 1024
"""Longest message, in characters, that is accepted."""

MAX_LINE: Final = 64 * 1024 * 1024
"""Longest line of a tape, in bytes."""

MAX_BODY: Final = 16 * 1024 * 1024
"""Longest body of an HTTP answer, in bytes, that is read, or recorded."""

MAX_NESTING: Final = 100
"""Deepest nesting of JSON that is looked into, or embedded in a tape."""

CLOSE_GRACE: Final = 2.0
"""Seconds after the end of a bar, beyond the server's update period, before it counts as closed by time.
The last update of a bar was seen to come 1.3 s after its end (2025-07-06)."""

STALL_CODE: Final = 4000
"""The close code with which a client gives up a connection that has stalled; the browser uses it for the same (2021)."""

MOST_BARS_A_REQUEST: Final = 5000
"""Bars asked for at once when a gap is filled; a longer one is filled page by page. Most plans give no more in one answer."""

RESTORE_TIMEOUT: Final = 30.0
"""Seconds that the server has for the bars that fill a gap; after that the gap is told as one that cannot be filled."""

ANSWER_TIMEOUT: Final = 30.0
"""Seconds that the server has for the first answer to a series, or the first quote of a symbol; then it is asked once more, and
has as many again."""

TICK_FIELDS: Final = ("lp", "lp_time", "volume", "session", "timezone", "session_holidays")
"""The quote fields that a tick is made of, and those that say when there may be any."""

QUOTE_FIELDS: Final = (
    "ch", "chp", "current_session", "description", "local_description", "language", "exchange", "fractional",
    "is_tradable", "lp", "lp_time", "minmov", "minmove2", "original_name", "pricescale", "pro_name", "short_name",
    "type", "update_mode", "volume", "currency_code", "rchp", "rtc", "bid", "ask", "bid_size", "ask_size",
    "open_price", "high_price", "low_price", "prev_close_price",
)  # fmt: skip
"""The quote fields that are asked for by default: what most clients ask for, and the day's prices."""
