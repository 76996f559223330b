"""Which fields are asked for."""

from __future__ import annotations

import pytest

from tvstreamer.constants import QUOTE_FIELDS
from tvstreamer.errors import InvalidPlan
from tvstreamer.protocol.fields import FIELD_SETS, quote_fields


def test_a_name_stands_for_a_set_and_all_for_no_choice() -> None:
    assert quote_fields("default") == QUOTE_FIELDS
    assert quote_fields("all") is None
    assert quote_fields(["lp", "all"]) is None


@pytest.mark.parametrize(("name", "count"), [("common", 23), ("simple", 33), ("basic", 27), ("detailed", 44)])
def test_the_sets_of_others_hold_what_they_ask_for_each_once(name: str, count: int) -> None:
    names = FIELD_SETS[name]
    assert len(names) == len(set(names)) == count
    assert "lp" in names


def test_a_list_may_hold_names_and_sets() -> None:
    assert quote_fields(["bid", "price", "bid", "price_earnings_ttm"]) == (
        "bid", "lp", "lp_time", "ch", "chp", "volume", "ask", "price_earnings_ttm"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("novel", "fields 'novel': expected one of all, default"),
        (7, "fields 7: expected the name of a set"),
        ([], "expected at least one name"),
        (["a b"], "field 'a b': expected a name such as lp"),
        ([7], "field 7: expected a name"),
    ],
)
def test_what_names_no_field_is_refused_with_its_value(spec: object, said: str) -> None:
    with pytest.raises(InvalidPlan, match=said):
        quote_fields(spec)
