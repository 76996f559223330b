"""A plan: which faults, in which order, and the seed of all that they draw."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import TYPE_CHECKING

import msgspec

from tvstreamer.errors import InvalidPlan, UnsupportedFault, shorten
from tvstreamer.faults.kinds import Carrier, Fault, refuse
from tvstreamer.faults.toml import write_plan

if TYPE_CHECKING:
    from random import Random

    from tvstreamer.faults.filter import FaultFilter

MakeRandom = Callable[[str], "Random"]
"""`random.Random` itself, handed in: each fault of each connection draws from one of its own, made from the plan's seed. So
what one fault draws depends neither on the others nor on how the two directions interleave."""

_WHERE = {
    "message": "any connection",
    "bytes": "the fake server on a port",
    "handshake": "a connector",
}


class FaultPlan(msgspec.Struct, frozen=True):
    """Faults in the order in which a message passes them, first to last, whichever its direction; and a seed.

    `plan + plan` has the faults of both and the seed of the first. A plan without faults is false. The same plan, seed and
    traffic give the same faults. Raises `InvalidPlan`.
    """

    faults: Iterable[Fault] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        faults = tuple(self.faults)
        for fault in faults:
            if not isinstance(fault, Fault):
                raise InvalidPlan(f"fault {shorten(fault)}: expected one such as faults.close(after=10)")
        if not isinstance(self.seed, int) or isinstance(self.seed, bool):
            raise InvalidPlan(f"seed {shorten(self.seed)}: expected a whole number")
        msgspec.structs.force_setattr(self, "faults", faults)

    def __repr__(self) -> str:
        return f"FaultPlan([{', '.join(map(repr, self))}]{f', seed={self.seed}' if self.seed else ''})"

    def __iter__(self) -> Iterator[Fault]:
        return iter(self.faults)

    def __bool__(self) -> bool:
        return bool(self.faults)

    def __add__(self, other: FaultPlan) -> FaultPlan:
        if not isinstance(other, FaultPlan):
            return NotImplemented
        return FaultPlan([*self, *other], self.seed)

    def to_toml(self) -> str:
        """The plan as a file has it; `parse_plan` reads it back."""
        return write_plan(self.seed, self.faults)

    def require(self, carriers: Collection[Carrier], place: str) -> None:
        """Raises `UnsupportedFault` for a fault that none of these can carry; `place` is what to call the thing that cannot."""
        for fault in self:
            if fault.carrier not in carriers:
                raise UnsupportedFault(
                    f"{fault.kind} is a fault of {fault.carrier}, which {place} cannot produce; {_WHERE[fault.carrier]} can"
                )

    def filter(self, connection: int, opened_at: float, make_random: MakeRandom) -> FaultFilter:
        """The plan at work on its n-th connection, counted from 1."""
        from tvstreamer.faults.filter import FaultFilter

        return FaultFilter(self, connection, opened_at, make_random)

    def refusal(self, connection: int, make_random: MakeRandom) -> refuse | None:
        """What answers the handshake of the n-th connection in place of a connection; None lets it through."""
        for number, fault in enumerate(self):
            if not isinstance(fault, refuse):
                continue
            first = fault.connection or 1
            wanted = first <= connection and (fault.times is None or connection < first + fault.times)
            if wanted and make_random(random_key(self.seed, connection, number)).random() < fault.probability:
                return fault
        return None


def random_key(seed: int, connection: int, number: int) -> str:
    """What the random numbers of one fault on one connection derive from."""
    return f"{seed}/{connection}/{number}"
