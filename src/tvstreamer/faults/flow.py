"""Faults of the flow: messages come late, not at all, twice, in another order, in one, or in pieces."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from tvstreamer.faults import kinds
from tvstreamer.faults.stages import End, F, Host, Item, Message, Stage
from tvstreamer.faults.subjects import only_heartbeats
from tvstreamer.faults.triggers import Trigger
from tvstreamer.faults.wire import LimitedRate, Slices, Treatment

if TYPE_CHECKING:
    from random import Random


# --- time -----------------------------------------------------------------------------------------------------------


class Queue(Stage[F]):
    """Lets things pass when their time has come, in the order in which they came."""

    newest = float("-inf")
    """When the last of them goes, or went."""

    def __init__(self, fault: F, trigger: Trigger, rng: Random, host: Host) -> None:
        super().__init__(fault, trigger, rng, host)
        self._queue: deque[Item] = deque()

    def take(self, item: Item, due: float) -> list[Item]:
        """Lets the item pass at `due`, but not before what came earlier."""
        self.newest = max(due, self.newest)
        if not self._queue and self.newest <= item.at:
            return [item]
        self._queue.append(item._replace(at=self.newest))
        return []

    def release_at(self) -> float | None:
        return self._queue[0].at if self._queue else None

    def release(self, now: float) -> list[Item]:
        return [self._queue.popleft()]

    def give_up(self) -> list[Item]:
        held = list(self._queue)
        self._queue.clear()
        return held


class Latency(Queue[kinds.latency]):
    def message(self, message: Message) -> list[Item]:
        at = message.at
        if not self.trigger.strikes(message.text, at):
            return self.take(message, at)
        jitter = self.fault.jitter
        delay = max(0.0, self.fault.latency + (self.rng.uniform(-jitter, jitter) if jitter else 0.0))
        self.trigger.fire(at, f"{delay:g} s")
        return self.take(message, at + delay)

    def end(self, end: End) -> list[Item]:
        return self.take(end, end.at + (self.fault.latency if self.trigger.open(end.at) else 0.0))


class SlowReader(Queue[kinds.slow_reader]):
    def message(self, message: Message) -> list[Item]:
        at = message.at
        if not self.trigger.strikes(message.text, at):
            return self.take(message, at)
        self.trigger.fire(at, f"{self.fault.delay:g} s")
        return self.take(message, max(at, self.newest) + self.fault.delay)


# --- messages get lost, doubled, mixed up ---------------------------------------------------------------------------


class Drop(Stage[kinds.drop]):
    def message(self, message: Message) -> list[Item]:
        if not self.trigger.strikes(message.text, message.at):
            return [message]
        self.trigger.fire(message.at)
        return []


class Duplicate(Stage[kinds.duplicate]):
    def message(self, message: Message) -> list[Item]:
        if not self.trigger.strikes(message.text, message.at):
            return [message]
        self.trigger.fire(message.at)
        return [message] * (1 + self.fault.copies)


class Holding(Stage[F]):
    """Keeps messages back until enough others have come, or until the first has waited long enough."""

    _until: float | None = None

    def __init__(self, fault: F, trigger: Trigger, rng: Random, host: Host) -> None:
        super().__init__(fault, trigger, rng, host)
        self.held: list[Message] = []

    def hold(self, message: Message, until: float | None = None) -> list[Item]:
        if not self.held:
            self._until = until
        self.held.append(message)
        return []

    def let_go(self, at: float) -> list[Message]:
        return [message._replace(at=at) for message in self.take()]

    def take(self) -> list[Message]:
        held, self.held, self._until = self.held, [], None
        return held

    def give_up(self) -> list[Item]:
        return [*self.take()]

    def end(self, end: End) -> list[Item]:
        return [*self.let_go(end.at), end]

    def release_at(self) -> float | None:
        return self._until


class Reorder(Holding[kinds.reorder]):
    _overtaken = 0

    def message(self, message: Message) -> list[Item]:
        strikes = self.trigger.strikes(message.text, message.at)
        if self.held:
            self._overtaken += 1
            return [message, *(self.release(message.at) if self._overtaken == self.fault.n else [])]
        return self.hold(message, message.at + self.fault.wait) if strikes else [message]

    def let_go(self, at: float) -> list[Message]:
        if self._overtaken:
            self.trigger.fire(at, f"behind {self._overtaken}")
        self._overtaken = 0
        return super().let_go(at)

    def release(self, now: float) -> list[Item]:
        return [*self.let_go(now)]


class Merge(Holding[kinds.merge]):
    def message(self, message: Message) -> list[Item]:
        strikes = self.trigger.strikes(message.text, message.at)
        if not self.held and not strikes:
            return [message]
        self.hold(message, message.at + self.fault.wait)
        return self.release(message.at) if len(self.held) == self.fault.n else []

    def let_go(self, at: float) -> list[Message]:
        held = super().let_go(at)
        if len(held) < 2:
            return held
        self.trigger.fire(at, f"{len(held)} messages")
        return [_joined(held, at)]

    def release(self, now: float) -> list[Item]:
        return [*self.let_go(now)]


class GlueHeartbeat(Holding[kinds.glue_heartbeat]):
    def message(self, message: Message) -> list[Item]:
        strikes = self.trigger.strikes(message.text, message.at)
        if only_heartbeats(message.text):
            return self.hold(message) if strikes else [message]
        if not self.held:
            return [message]
        heartbeats = self.let_go(message.at)
        self.trigger.fire(message.at, f"{len(heartbeats)} in one message with data")
        first = self.fault.position == "first"
        return [_joined([*heartbeats, message] if first else [message, *heartbeats], message.at)]


def _joined(messages: list[Message], at: float) -> Message:
    wire = tuple(treatment for message in messages for treatment in message.wire)
    return Message("".join(message.text for message in messages), at, wire)


# --- bytes ----------------------------------------------------------------------------------------------------------


class Treating(Stage[kinds.bandwidth | kinds.slicer]):
    """Marks messages whose bytes are to suffer something."""

    def __init__(self, fault: kinds.bandwidth | kinds.slicer, trigger: Trigger, rng: Random, host: Host) -> None:
        super().__init__(fault, trigger, rng, host)
        self._treatment: Treatment
        if isinstance(fault, kinds.slicer):
            self._treatment = Slices(fault.average_size, fault.size_variation, fault.delay, rng)
        else:
            self._treatment = LimitedRate(fault.rate)

    def message(self, message: Message) -> list[Item]:
        if not self.trigger.strikes(message.text, message.at):
            return [message]
        self.trigger.fire(message.at)
        return [message._replace(wire=(*message.wire, self._treatment))]
