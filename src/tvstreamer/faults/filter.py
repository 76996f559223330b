"""A plan at work on one connection: what each side says goes through it, and comes out late, changed, or not at all.

Nothing here waits or knows the time: whoever carries the messages hands them in with their moments, asks for
`next_deadline`, and takes what may go on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from tvstreamer.faults import breaks, content, flow, kinds
from tvstreamer.faults.kinds import DOWNSTREAM, UPSTREAM, Fault
from tvstreamer.faults.plan import FaultPlan, MakeRandom, random_key
from tvstreamer.faults.stages import End, Item, Message, Stage
from tvstreamer.faults.subjects import Subjects
from tvstreamer.faults.triggers import Fired, Trigger

if TYPE_CHECKING:
    from tvstreamer.protocol.packets import Command

KEPT: Final = 10_000
"""How many of the faults that fired are remembered."""

_STAGES: Final[dict[type[Fault], Any]] = {
    kinds.silence: breaks.Withholding,
    kinds.chatty_stall: breaks.ChattyStall,
    kinds.half_open: breaks.Withholding,
    kinds.close: breaks.Close,
    kinds.reset_peer: breaks.Reset,
    kinds.reset_mid_frame: breaks.ResetMidFrame,
    kinds.timeout: breaks.Timeout,
    kinds.limit_data: breaks.LimitData,
    kinds.slow_close: breaks.SlowClose,
    kinds.token_expired: breaks.FatalError,
    kinds.protocol_error: breaks.FatalError,
    kinds.critical_error: breaks.CriticalError,
    kinds.latency: flow.Latency,
    kinds.bandwidth: flow.Treating,
    kinds.slicer: flow.Treating,
    kinds.slow_reader: flow.SlowReader,
    kinds.clock_skew: content.Edit,
    kinds.drop: flow.Drop,
    kinds.duplicate: flow.Duplicate,
    kinds.reorder: flow.Reorder,
    kinds.merge: flow.Merge,
    kinds.glue_heartbeat: flow.GlueHeartbeat,
    kinds.missing_bar: content.MissingBar,
    kinds.revise_bar: content.ReviseBar,
    kinds.wrong_length: content.Edit,
    kinds.astral: content.Edit,
    kinds.unknown_packet: breaks.UnknownPacket,
}
"""What does the work of each kind. A refused handshake has no connection to work on."""


class FaultFilter:
    """Stands between the two ends of one connection. Not thread-safe: one owner at a time.

    `received` takes what the server sends, `ended` its end of the connection, `sent` what the client sends. `deliveries` are
    what the client may see now, and `messages_to_send` what may go to the server.
    """

    def __init__(self, plan: FaultPlan, connection: int, opened_at: float, make_random: MakeRandom) -> None:
        self._subjects = Subjects()
        self._log: deque[Fired] = deque(maxlen=KEPT)
        self._chains: dict[str, list[tuple[int, Stage[Any]]]] = {DOWNSTREAM: [], UPSTREAM: []}
        for number, fault in enumerate(plan):
            if fault.connection in (None, connection) and type(fault) in _STAGES:
                rng = make_random(random_key(plan.seed, connection, number))
                trigger = Trigger(fault, connection, opened_at, rng, self._subjects, self._log.append)
                stage = _STAGES[type(fault)](fault, trigger, rng, self)
                self._chains[fault.direction].append((number, stage))
        self._stages = sorted(self._chains[DOWNSTREAM] + self._chains[UPSTREAM], key=lambda each: each[0])
        self._delivered: deque[Message] = deque()
        self._outgoing: list[str] = []
        self._hung_up = False
        self._end: End | None = None
        self._now = float("-inf")

    def __repr__(self) -> str:
        state = "ended" if self._end else "hung up" if self._hung_up else "open"
        return f"<FaultFilter {state}, {len(self._stages)} faults, {len(self._log)} fired>"

    @property
    def idle(self) -> bool:
        """Whether no fault of the plan can ever fire on this connection, so that it might as well not be there."""
        return not self._stages

    @property
    def acts_upstream(self) -> bool:
        """Whether there are faults of what the client sends."""
        return bool(self._chains[UPSTREAM])

    # --- in -------------------------------------------------------------------------------------------------------

    def received(self, text: str, at: float) -> None:
        """Takes a message of the server. Deadlines up to `at` come first."""
        self.handle_deadline(at)
        if not self._hung_up:
            self._now = max(self._now, at)
            self._pass(DOWNSTREAM, -1, [Message(text, self._now)])

    def ended(self, code: int, reason: str, at: float) -> None:
        """Takes the end of the connection, as the server or the network made it."""
        self.handle_deadline(at)
        if not self._hung_up:
            self._hung_up = True
            self._now = max(self._now, at)
            self._pass(DOWNSTREAM, -1, [End(code, reason, self._now)])

    def sent(self, text: str, at: float) -> list[str]:
        """Takes a message of the client; gives what goes on to the server now, which may be more, or nothing."""
        self.handle_deadline(at)
        if not self._hung_up:
            self._subjects.follow(text)
            self._pass(UPSTREAM, -1, [Message(text, at)])
        return self.messages_to_send()

    def learn(self, commands: Iterable[Command]) -> None:
        """Takes note of commands that the client sent before this filter was there."""
        for command in commands:
            self._subjects.learn(command)

    # --- out ------------------------------------------------------------------------------------------------------

    def deliveries(self, now: float) -> list[tuple[str, float]]:
        """Takes the messages that the client may see by `now`, each with its moment, in order."""
        return [(message.text, message.at) for message in self.frames(now)]

    def frames(self, now: float) -> list[Message]:
        """The same, with what is to become of their bytes."""
        self.handle_deadline(now)
        frames = list(self._delivered)
        self._delivered.clear()
        return frames

    def messages_to_send(self) -> list[str]:
        """Takes what goes on to the server."""
        outgoing, self._outgoing = self._outgoing, []
        return outgoing

    def give_up(self) -> tuple[list[str], list[str]]:
        """Takes all that is withheld, for the client and for the server: this plan is at an end."""
        held = {
            direction: [
                *(item.text for _, stage in reversed(chain) for item in stage.give_up() if isinstance(item, Message))
            ]
            for direction, chain in self._chains.items()
        }
        return held[DOWNSTREAM], held[UPSTREAM]

    @property
    def closing(self) -> tuple[int, str] | None:
        """Code and reason of the end, once the client has seen all that comes before it; 1006 is an end without a goodbye."""
        return None if self.end is None else (self.end.code, self.end.reason)

    @property
    def end(self) -> End | None:
        """The same, with its moment."""
        return None if self._delivered else self._end

    @property
    def hung_up(self) -> bool:
        """Whether the connection is over for the server, although the client may not have seen it."""
        return self._hung_up

    @property
    def half_open(self) -> bool:
        """Whether the server neither reads nor writes at present."""
        return any(
            stage.lasting
            for _, stage in self._stages
            if isinstance(stage, breaks.Withholding) and isinstance(stage.fault, kinds.half_open)
        )

    @property
    def fired(self) -> list[Fired]:
        """What fired, in order; the newest 10,000."""
        return list(self._log)

    # --- time -----------------------------------------------------------------------------------------------------

    def next_deadline(self) -> float | None:
        """When something is due: a fault that fires by the clock, or something withheld that goes on."""
        due = self._next()
        return None if due is None else due[0]

    @property
    def withholds(self) -> bool:
        """Whether something waits for its time."""
        return self._end is None and any(stage.release_at() is not None for _, stage in self._stages)

    def handle_deadline(self, now: float) -> None:
        """Does what is due by `now`, each thing at its own moment."""
        while (due := self._next()) is not None and due[0] <= now:
            moment, _, number, stage = due
            release_at = stage.release_at()
            made = stage.release(moment) if release_at is not None and release_at <= moment else stage.begin(moment)
            if stage.toward == DOWNSTREAM:
                self._now = max(self._now, moment)
            if stage.toward == DOWNSTREAM or not self._hung_up:
                self._pass(stage.toward, number, made)

    def _next(self) -> tuple[float, int, int, Stage[Any]] | None:
        """The next thing that is due. What stands further back in the chain goes first: it holds what came earlier."""
        if self._end is not None:
            return None
        return min(
            (
                (moment, -number, number, stage)
                for number, stage in self._stages
                for moment in (stage.release_at(), stage.trigger.due())
                if moment is not None
            ),
            key=lambda due: due[:2],
            default=None,
        )

    # --- the chains -----------------------------------------------------------------------------------------------

    def _pass(self, direction: str, behind: int, items: list[Item]) -> None:
        """Sends items through the stages of a direction that stand behind the given place of the plan."""
        for number, stage in self._chains[direction]:
            if number > behind and items:
                items = self._through(stage, number, direction, items)
        if direction == UPSTREAM:
            self._outgoing += [item.text for item in items if isinstance(item, Message)]
            return
        for item in items:
            if self._end is not None:
                return
            if isinstance(item, End):
                self._end = item
            else:
                self._delivered.append(item)

    def _through(self, stage: Stage[Any], number: int, direction: str, items: list[Item]) -> list[Item]:
        passed: list[Item] = []
        for item in items:
            if isinstance(item, End):
                passed += stage.end(item)
                continue
            passed += stage.message(item)
            made = stage.behind(item)
            if stage.toward == direction:
                passed += made
            elif made:
                self._pass(stage.toward, number, made)
        return passed

    # --- what stages ask for --------------------------------------------------------------------------------------

    @property
    def session(self) -> str:
        return self._subjects.session

    def hang_up(self) -> None:
        self._hung_up = True
