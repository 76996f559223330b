"""What an account may ask for."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tvstreamer.errors import InvalidPlan
from tvstreamer.intervals import Interval
from tvstreamer.server.plans import PLANS, UNLIMITED, Plan, find_plan

EVERYTHING = ["1T", "1S", "45S", "1", "20", "188", "240", "1R", "1D", "2D", "1W", "3W", "1M", "2M", "12M"]


@pytest.mark.parametrize(
    ("plan", "refused"),
    [
        ("", {}),
        ("ultimate", {}),
        ("premium", {"1T": "ticks_not_entitled"}),
        ("plus", {"1T": "ticks_not_entitled", "1S": "seconds_not_entitled", "45S": "seconds_not_entitled"}),
        (
            "free",
            {
                "1T": "ticks_not_entitled", "1S": "seconds_not_entitled", "45S": "seconds_not_entitled",
                "1R": "resolution_not_entitled",
            } | dict.fromkeys(("20", "188", "2D", "3W", "2M"), "custom_resolution"),
        ),
    ],
)  # fmt: skip
def test_intervals_are_refused_by_their_kind(plan: str, refused: dict[str, str]) -> None:
    limits = PLANS.get(plan, UNLIMITED)
    found = {text: limits.refusal(Interval.parse(text)) for text in EVERYTHING}
    assert {text: reason for text, reason in found.items() if reason} == refused


def test_a_dearer_plan_has_at_least_what_a_cheaper_one_has() -> None:
    names = ["free", "essential", "plus", "premium", "expert", "ultimate"]
    for cheaper, dearer in pairwise(names):
        for limit in ("bars", "studies", "chart_sessions", "connections", "seconds", "ticks", "ranges", "intraday_bricks"):
            assert getattr(PLANS[cheaper], limit) <= getattr(PLANS[dearer], limit)


def test_a_plan_is_found_by_its_name() -> None:
    assert find_plan(None) is UNLIMITED
    assert find_plan("premium") is PLANS["premium"]
    assert find_plan(Plan("mine", bars=5)) == Plan("mine", bars=5)
    with pytest.raises(InvalidPlan, match="plan 'gold': expected one of anonymous, free, essential"):
        find_plan("gold")
