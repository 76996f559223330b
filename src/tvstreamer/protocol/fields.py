"""Which fields of a quote are asked for: all, a set with a name, or a list."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from tvstreamer.constants import QUOTE_FIELDS
from tvstreamer.errors import InvalidPlan, shorten

ALL: Final = "all"

_COMMON = tuple(
    "ch chp current_session description local_description language exchange fractional is_tradable lp lp_time minmov minmove2"
    " original_name pricescale pro_name short_name type update_mode volume currency_code rchp rtc".split()
)

FIELD_SETS: Final[dict[str, tuple[str, ...]]] = {
    "default": QUOTE_FIELDS,
    "price": ("lp", "lp_time", "ch", "chp", "volume", "bid", "ask"),
    "common": _COMMON,
    "simple": tuple(
        "base-currency-logoid ch chp currency-logoid currency_code currency_id base_currency_id current_session description"
        " exchange format fractional is_tradable language local_description listed_exchange logoid lp lp_time minmov minmove2"
        " original_name pricescale pro_name short_name type typespecs update_mode volume variable_tick_size value_unit_id"
        " unit_id measure".split()
    ),
    "basic": tuple(
        "pro_name base_name short_name description type exchange typespecs listed_exchange lp country_code provider_id"
        " symbol-primaryname logoid base-currency-logoid currency-logoid source-logoid update_mode pro_perm source source2"
        " pricescale minmov fractional visible-plots-set local_description language underlying-symbol".split()
    ),
    "detailed": (
        *_COMMON,
        *(
            "provider_id fundamentals rch rtc_time status industry basic_eps_net_income beta_1_year market_cap_basic"
            " earnings_per_share_basic_ttm price_earnings_ttm sector dividends_yield timezone country_code ask bid high_price"
            " low_price open_price prev_close_price"
        ).split(),
    ),
}
"""By name. `simple` and `basic` are what the browser asks for beside a chart and for a page, `common` and `detailed` what
other clients do."""

_NAME = re.compile(r"[A-Za-z0-9_.\-]{1,64}")


def quote_fields(spec: object) -> tuple[str, ...] | None:
    """The names of the fields that `spec` means; None for all that there are. Raises `InvalidPlan`.

    `spec` is `"all"`, the name of a set, or an iterable of names, among which may be those of sets.
    """
    if isinstance(spec, str):
        if spec == ALL:
            return None
        if spec not in FIELD_SETS:
            known = ", ".join((ALL, *FIELD_SETS))
            raise InvalidPlan(f"fields {shorten(spec)}: expected one of {known}, or a list of names")
        return FIELD_SETS[spec]
    if not isinstance(spec, Iterable):
        raise InvalidPlan(f"fields {shorten(spec)}: expected the name of a set, or a list of names")
    names: list[str] = []
    for name in spec:
        if name == ALL:
            return None
        if not (isinstance(name, str) and _NAME.fullmatch(name)):
            raise InvalidPlan(f"field {shorten(name)}: expected a name such as lp or price_earnings_ttm")
        names += FIELD_SETS.get(name, (name,))
    if not names:
        raise InvalidPlan("fields: expected at least one name")
    return tuple(dict.fromkeys(names))
