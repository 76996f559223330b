"""What a fault is made of when it is at work on one connection.

A stage stands in a chain, one for each fault of the plan. Messages and the end of the connection come in on one side and
go out on the other, at once or when their time has come; who holds the chain asks each stage for its next moment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, TypeVar

from tvstreamer.faults.kinds import Fault
from tvstreamer.faults.triggers import Trigger
from tvstreamer.faults.wire import Treatment

if TYPE_CHECKING:
    from random import Random

F = TypeVar("F", bound=Fault)


class Message(NamedTuple):
    """A message on its way; `wire` is what its bytes are to suffer."""

    text: str
    at: float
    wire: tuple[Treatment, ...] = ()


class End(NamedTuple):
    """The end of the connection on its way to the client."""

    code: int
    reason: str
    at: float


Item = Message | End


class Host(Protocol):
    """What a stage needs of the connection that it works on."""

    @property
    def session(self) -> str:
        """The client's newest session."""
        ...

    def hang_up(self) -> None:
        """From here on nothing that either side says arrives; what is on its way still does."""
        ...


class Stage(Generic[F]):
    """One fault at work on one connection. This base lets everything pass.

    `toward` is the direction in which goes what the stage makes by itself, by the clock or behind a message.
    """

    toward = ""

    def __init__(self, fault: F, trigger: Trigger, rng: Random, host: Host) -> None:
        self.fault = fault
        self.trigger = trigger
        self.rng = rng
        self.host = host
        self.toward = self.toward or fault.direction

    def message(self, message: Message) -> list[Item]:
        """What goes on now that this has come."""
        return [message]

    def end(self, end: End) -> list[Item]:
        """The same for the end of the connection."""
        return [end]

    def behind(self, message: Message) -> list[Item]:
        """What the stage makes behind a message that it has just let pass; goes `toward`."""
        return []

    def begin(self, at: float) -> list[Item]:
        """Fires by the clock, or behind a message; what comes of it goes `toward`."""
        return []

    def release_at(self) -> float | None:
        """When something that is withheld goes on."""
        return None

    def release(self, now: float) -> list[Item]:
        """What goes on, or what the stage makes, at that moment; goes `toward`."""
        return []

    def give_up(self) -> list[Item]:
        """What is withheld, in order: the stage is done, and there is no reason any more to withhold it."""
        return []


class OnceStage(Stage[F]):
    """A fault of the connection: `begin` when the trigger fires behind a message."""

    def behind(self, message: Message) -> list[Item]:
        return self.begin(message.at) if self.trigger.follows(message.text, message.at) else []
