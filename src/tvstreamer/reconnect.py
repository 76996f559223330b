"""When to try again after a connection was lost, and when to give up. No clock, no waiting: times come in, delays go out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tvstreamer.errors import InvalidPlan

if TYPE_CHECKING:
    from random import Random


@dataclass(frozen=True, slots=True)
class ReconnectPolicy:
    """How a client comes back.

    The first attempt waits about `initial` seconds, each further one `factor` times as long, none longer than `maximum`.
    `jitter` is the share of each delay that is left to chance, so that a thousand clients do not come back in step. A
    connection that lasted for `stable` seconds counts as recovery, and the delays begin anew. After `attempts` attempts, or
    `total` seconds without recovery, the client gives up and raises; None is never. A server that says when to come back is
    obeyed, up to `total`.
    """

    initial: float = 0.5
    factor: float = 2.0
    maximum: float = 30.0
    jitter: float = 0.5
    stable: float = 10.0
    attempts: int | None = None
    total: float | None = 3600.0

    def __post_init__(self) -> None:
        for name, least in (("initial", 0.0), ("factor", 1.0), ("maximum", 0.0), ("stable", 0.0)):
            value = getattr(self, name)
            if not value >= least:
                raise InvalidPlan(f"reconnect {name} {value!r}: expected a number from {least:g} up")
        if not 0 <= self.jitter <= 1:
            raise InvalidPlan(f"reconnect jitter {self.jitter!r}: expected a number from 0 to 1")
        if self.attempts is not None and self.attempts < 1:
            raise InvalidPlan(f"reconnect attempts {self.attempts!r}: expected 1 or more, or None for no limit")
        if self.total is not None and not self.total > 0:
            raise InvalidPlan(f"reconnect total {self.total!r}: expected a number of seconds above 0, or None for no limit")


class Backoff:
    """The attempts after one loss, and after those that follow before the client has recovered."""

    def __init__(self, policy: ReconnectPolicy, rng: Random) -> None:
        self._policy = policy
        self._rng = rng
        self._up_since: float | None = None
        self.attempts = 0
        """Attempts since the last recovery."""
        self.lost_at: float | None = None
        """When the trouble began; None while all is well."""

    def __repr__(self) -> str:
        return f"<Backoff {self.attempts} attempts since {self.lost_at}>"

    def connected(self, now: float) -> None:
        """An attempt came through. Whether it lasts remains to be seen."""
        self._up_since = now

    def lost(self, now: float) -> None:
        """The connection is gone."""
        if self._up_since is not None and now - self._up_since >= self._policy.stable:
            self.attempts = 0
            self.lost_at = None
        self._up_since = None
        if self.lost_at is None:
            self.lost_at = now

    def next_attempt(self, now: float, *, not_before: float = 0.0) -> float | None:
        """When to try next, at the earliest `not_before` seconds from now; None when it is time to give up."""
        policy = self._policy
        begun = now if self.lost_at is None else self.lost_at
        if policy.attempts is not None and self.attempts >= policy.attempts:
            return None
        if policy.total is not None and now - begun >= policy.total:
            return None
        delay = min(policy.maximum, policy.initial * _power(policy.factor, self.attempts))
        delay *= 1 - policy.jitter * self._rng.random()
        self.attempts += 1
        at = now + max(delay, not_before)
        if policy.total is not None and at > begun + policy.total:
            # The last attempt is made when the time is over, not left out; but not before the server wants to hear of us.
            return begun + policy.total if now + not_before <= begun + policy.total else None
        return at


def _power(base: float, exponent: int) -> float:
    try:
        return base**exponent
    except OverflowError:
        # More than any maximum; but no infinity, of which nothing at all would be no number.
        return 1e300
