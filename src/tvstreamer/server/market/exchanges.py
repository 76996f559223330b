"""The exchanges of the synthetic market whose hours, holidays and currency are like those of the real ones."""

from __future__ import annotations

from functools import cache
from typing import Final, NamedTuple

from tvstreamer.server.market.calendar import Calendar
from tvstreamer.server.market.holidays import closures


class Exchange(NamedTuple):
    """`rules` are those of its holidays; `early` are the hours of a day that ends early; `extended` and `extended_early`
    the hours with the trading before and after the session, where there is such a thing."""

    session: str
    timezone: str
    currency: str
    country: str
    minmov: int
    rules: str = ""
    early: str = ""
    extended: str = ""
    extended_early: str = ""
    pricescale: int = 100
    kind: str = "stock"

    @property
    def calendar(self) -> Calendar:
        return _calendar(self.session, self.timezone, self.rules, self.early)

    @property
    def extended_calendar(self) -> Calendar | None:
        if not self.extended:
            return None
        return _calendar(self.extended, self.timezone, self.rules, self.extended_early)


@cache
def _calendar(session: str, timezone: str, rules: str, early: str) -> Calendar:
    closed = closures(rules)
    dates = ",".join(f"{day:%Y%m%d}" for day in closed.early)
    return Calendar(session, timezone, ",".join(f"{day:%Y%m%d}" for day in closed.holidays), f"{early}:{dates}" if dates else "")


_US: Final = Exchange("0930-1600", "America/New_York", "USD", "US", 1, "US", "0930-1300", "0400-2000", "0400-1700")
_CME: Final = Exchange("1700-1600", "America/Chicago", "USD", "US", 25, "US-CME", "1700-1200", kind="futures")
_INDIA: Final = Exchange("0915-1530", "Asia/Kolkata", "INR", "IN", 5, "IN")

EXCHANGES: Final = {
    **dict.fromkeys(("NASDAQ", "NYSE", "AMEX", "BATS"), _US),
    "XETR": Exchange("0900-1730", "Europe/Berlin", "EUR", "DE", 2, "DE", "0900-1400"),
    "LSE": Exchange("0800-1630", "Europe/London", "GBP", "GB", 1, "GB", "0800-1230"),
    **dict.fromkeys(("NSE", "BSE"), _INDIA),
    "TSE": Exchange("0900-1130,1230-1530", "Asia/Tokyo", "JPY", "JP", 5, "JP", pricescale=10),
    "HKEX": Exchange("0930-1200,1300-1600", "Asia/Hong_Kong", "HKD", "HK", 1, "HK", "0930-1200"),
    **dict.fromkeys(("CME", "CME_MINI", "CBOT", "COMEX", "NYMEX"), _CME),
    # Where each symbol is an example of something: see `examples`.
    "EXAMPLE": _US,
}
