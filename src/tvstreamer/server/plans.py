"""What an account may ask for, and how the server says that it may not.

The numbers of bars are those of the vendor's help pages, the others those of its price list as clients report them. What
matters to a client is that there are limits and how they show; the numbers themselves change now and then.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from tvstreamer.errors import InvalidPlan, shorten
from tvstreamer.intervals import Interval

_STANDARD_MINUTES: Final = frozenset((1, 3, 5, 15, 30, 45, 60, 120, 180, 240))
_STANDARD_MONTHS: Final = frozenset((1, 3, 6, 12))


@dataclass(frozen=True, slots=True)
class Plan:
    """The limits of an account; None, and True, where there is none. `rt_update_period` is what a series announces."""

    name: str = ""
    bars: int | None = None
    """Bars of history in one series."""
    studies: int | None = None
    """Studies in one chart session."""
    chart_sessions: int | None = None
    """Chart sessions on one connection."""
    connections: int | None = None
    """Connections at the same time."""
    custom_intervals: bool = True
    seconds: bool = True
    ticks: bool = True
    ranges: bool = True
    intraday_bricks: bool = True
    rt_update_period: int = 0

    def refusal(self, interval: Interval) -> str | None:
        """Why a series of this interval is refused; None where it is not."""
        count = interval.count
        match interval.unit:
            case "T":
                return None if self.ticks else "ticks_not_entitled"
            case "S":
                return None if self.seconds else "seconds_not_entitled"
            case "R":
                return None if self.ranges else "resolution_not_entitled"
            case "m":
                standard = count in _STANDARD_MINUTES
            case "M":
                standard = count in _STANDARD_MONTHS
            case _:
                standard = count == 1
        return None if standard or self.custom_intervals else "custom_resolution"


UNLIMITED: Final = Plan()

_FREE: Final = Plan(
    "free", 5_000, 2, 200, 2, custom_intervals=False, seconds=False, ticks=False, ranges=False, intraday_bricks=False,
    rt_update_period=5,
)  # fmt: skip

PLANS: Final[dict[str, Plan]] = {
    plan.name: plan
    for plan in (
        replace(_FREE, name="anonymous"),
        _FREE,
        Plan("essential", 10_000, 5, 200, 10, seconds=False, ticks=False, ranges=False, intraday_bricks=False),
        Plan("plus", 10_000, 10, 200, 20, seconds=False, ticks=False),
        Plan("premium", 20_000, 25, 200, 50, ticks=False),
        Plan("expert", 25_000, 30, 200, 80),
        Plan("ultimate", 40_000, 50, 200, 200),
    )
}


def find_plan(plan: Plan | str | None) -> Plan:
    """A plan, or the one of that name; without any there are no limits. Raises `InvalidPlan`."""
    if plan is None:
        return UNLIMITED
    if isinstance(plan, Plan):
        return plan
    found = PLANS.get(plan)
    if found is None:
        raise InvalidPlan(f"plan {shorten(plan)}: expected one of {', '.join(PLANS)}")
    return found
