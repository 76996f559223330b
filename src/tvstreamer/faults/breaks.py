"""Faults of the connection: it goes quiet, it ends, and the server says why, or something that nobody understands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tvstreamer.faults import kinds
from tvstreamer.faults.kinds import DOWNSTREAM
from tvstreamer.faults.stages import End, F, Host, Item, Message, OnceStage, Stage
from tvstreamer.faults.subjects import only_heartbeats
from tvstreamer.faults.triggers import Trigger
from tvstreamer.faults.wire import FirstHalf
from tvstreamer.protocol import codec, framing
from tvstreamer.protocol.packets import CriticalErrorReply, ProtocolErrorReply

if TYPE_CHECKING:
    from random import Random

BAD_TOKEN: Final = "bad auth token"  # noqa: S105 - the server's words for a token that it does not accept
NO_GOODBYE: Final = 1006


# --- nothing comes --------------------------------------------------------------------------------------------------


class Withholding(OnceStage[kinds.Lasts]):
    """Keeps back all that comes while it lasts."""

    lasting = False
    _until: float | None = None

    def __init__(self, fault: kinds.Lasts, trigger: Trigger, rng: Random, host: Host) -> None:
        super().__init__(fault, trigger, rng, host)
        self._held: list[Item] = []

    def begin(self, at: float) -> list[Item]:
        duration = self.fault.duration
        self.lasting = True
        self._until = None if duration is None else at + duration
        self.trigger.fire(at, "for ever" if duration is None else f"for {duration:g} s")
        return []

    def message(self, message: Message) -> list[Item]:
        if not self.lasting or self.passes(message):
            return [message]
        self._held.append(message)
        return []

    def behind(self, message: Message) -> list[Item]:
        return [] if self.lasting else super().behind(message)

    def passes(self, message: Message) -> bool:
        """Whether this message passes even now."""
        return False

    def end(self, end: End) -> list[Item]:
        if not self.lasting:
            return [end]
        self._held.append(end)
        return []

    def release_at(self) -> float | None:
        return self._until

    def release(self, now: float) -> list[Item]:
        self.lasting, self._until = False, None
        return [item._replace(at=now) for item in self.give_up()]

    def give_up(self) -> list[Item]:
        held, self._held = self._held, []
        return held


class ChattyStall(Withholding):
    def passes(self, message: Message) -> bool:
        return only_heartbeats(message.text)

    def end(self, end: End) -> list[Item]:
        # The connection itself works, so its end is seen; the data never comes.
        return [end]


# --- the connection ends --------------------------------------------------------------------------------------------


class Ending(OnceStage[F]):
    """Ends the connection, at once or some time after it has gone quiet."""

    toward = DOWNSTREAM
    over = False
    _ends_at: float | None = None

    def verdict(self) -> tuple[int, str]:
        """The code and the reason of the end."""
        return NO_GOODBYE, ""

    def delay(self) -> float | None:
        """Seconds from the beginning to the end; None: the end never comes."""
        return 0.0

    def last_words(self, at: float) -> list[Item]:
        """What the server still says."""
        return []

    def begin(self, at: float) -> list[Item]:
        code, reason = self.verdict()
        self.over = True
        self.host.hang_up()
        self.trigger.fire(at, f"{code} {reason}".strip())
        delay = self.delay()
        if delay == 0:
            return [*self.last_words(at), End(code, reason, at)]
        self._ends_at = None if delay is None else at + delay
        return []

    def message(self, message: Message) -> list[Item]:
        return [] if self.over else [message]

    def behind(self, message: Message) -> list[Item]:
        return [] if self.over else super().behind(message)

    def end(self, end: End) -> list[Item]:
        return [] if self.over else [end]

    def release_at(self) -> float | None:
        return self._ends_at

    def release(self, now: float) -> list[Item]:
        self._ends_at = None
        return [End(*self.verdict(), now)]


class Close(Ending[kinds.close]):
    def verdict(self) -> tuple[int, str]:
        return self.fault.code, self.fault.reason


class Reset(Ending[kinds.reset_peer]):
    def delay(self) -> float | None:
        return self.fault.timeout


class Timeout(Ending[kinds.timeout]):
    def delay(self) -> float | None:
        return self.fault.timeout or None


class FatalError(Ending[kinds.protocol_error | kinds.token_expired]):
    def verdict(self) -> tuple[int, str]:
        return 1000, self.fault.reason if isinstance(self.fault, kinds.protocol_error) else BAD_TOKEN

    def last_words(self, at: float) -> list[Item]:
        _, reason = self.verdict()
        return [Message(_packet(ProtocolErrorReply(ProtocolErrorReply.Params(reason))), at)]


class LimitData(Ending[kinds.limit_data]):
    _passed = 0

    def message(self, message: Message) -> list[Item]:
        if self.trigger.strikes(message.text, message.at):
            self._passed += len(message.text.encode(errors="surrogatepass"))
        return [message] if self._passed <= self.fault.bytes else []

    def behind(self, message: Message) -> list[Item]:
        return self.begin(message.at) if self._passed > self.fault.bytes and not self.over else []


class SlowClose(Stage[kinds.slow_close]):
    _held: End | None = None

    def end(self, end: End) -> list[Item]:
        if not self.trigger.open(end.at):
            return [end]
        self.trigger.fire(end.at, f"{self.fault.delay:g} s")
        self._held = end._replace(at=end.at + self.fault.delay)
        return []

    def release_at(self) -> float | None:
        return None if self._held is None else self._held.at

    def release(self, now: float) -> list[Item]:
        assert self._held is not None
        held, self._held = self._held, None
        return [held]


class ResetMidFrame(Ending[kinds.reset_mid_frame]):
    _cut = False

    def message(self, message: Message) -> list[Item]:
        if self.over or not self.trigger.strikes(message.text, message.at):
            return super().message(message)
        self._cut = True
        return [message._replace(wire=(*message.wire, FirstHalf()))]

    def behind(self, message: Message) -> list[Item]:
        return self.begin(message.at) if self._cut and not self.over else []


# --- the server says more than it would -----------------------------------------------------------------------------


class CriticalError(OnceStage[kinds.critical_error]):
    toward = DOWNSTREAM

    def begin(self, at: float) -> list[Item]:
        fault = self.fault
        session = fault.session or self.host.session
        self.trigger.fire(at, f"{session} {fault.reason}".strip())
        reply = CriticalErrorReply(CriticalErrorReply.Params(session, fault.reason, fault.info))
        return [Message(_packet(reply), at)]


class UnknownPacket(OnceStage[kinds.unknown_packet]):
    toward = DOWNSTREAM

    def begin(self, at: float) -> list[Item]:
        self.trigger.fire(at, self.fault.name)
        return [Message(framing.packet(codec.wire_json({"m": self.fault.name, "p": []})), at)]


def _packet(reply: CriticalErrorReply | ProtocolErrorReply) -> str:
    return framing.packet(codec.encode(reply))
