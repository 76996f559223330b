"""The faults there are: what each does, what it takes, and what can carry it.

Their names are lower-case like those of `functools.partial` or `contextlib.suppress`, because they read as calls: a plan is
a list of them. Where toxiproxy has the same fault it has the same name and parameters here; times, however, are seconds.
"""

from __future__ import annotations

import functools
from typing import Annotated, Any, ClassVar, Final, Literal, get_type_hints

import msgspec

from tvstreamer.errors import InvalidPlan, shorten
from tvstreamer.faults.checks import (
    Check,
    CloseCode,
    Copies,
    Count,
    Duration,
    Fraction,
    Lasting,
    Offset,
    OneOrMore,
    OneOrMoreOrNone,
    Probability,
    Rate,
    Reason,
    Seconds,
    SecondsOrNone,
    Shift,
    Symbol,
    Text,
    TwoOrMore,
    Words,
    one_of,
)
from tvstreamer.symbols import parse_symbol

Carrier = Literal["message", "bytes", "handshake"]
DOWNSTREAM: Final = "downstream"
UPSTREAM: Final = "upstream"


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """The base of all faults: when one fires. All of these have to hold.

    * `at`: not before so many seconds since the connection opened.
    * `after`: not before so many messages of its direction have passed.
    * `method`: on a message that holds such a packet, by its name on the wire, or `heartbeat`, or `hello`.
    * `symbol`: on a message that concerns this symbol, `EXCHANGE:TICKER`.
    * `probability`: drawn for each message that it could fire on.
    * `connection`: only on the n-th connection, counted from 1; None, the default, means each of them.
    * `times`: how often it fires at the most on one connection; None means without limit.
    * `direction`: `downstream`, from server to client, or `upstream`: whose messages are meant.

    There are two sorts. A fault of messages (`EachMessage`) changes the message that it fires on, mostly without limit by
    default: `drop(after=10)` spares ten messages. A fault of the connection (`Once`) fires when that message has passed, one
    time by default: `close(after=10)` lets ten messages pass. With `at` alone, or nothing, it needs no message and fires by
    the clock.

    `duration` is there where it makes sense: how long a fault of the connection lasts, and for how long, counted from the
    first chance, a fault of messages fires at all. Raises `InvalidPlan` for a value out of range.
    """

    at: Seconds = 0.0
    after: Count = 0
    method: Text = ""
    symbol: Symbol = ""
    probability: Probability = 1.0
    connection: OneOrMoreOrNone = None
    times: OneOrMoreOrNone = 1
    direction: Annotated[str, one_of(DOWNSTREAM, UPSTREAM)] = DOWNSTREAM

    carrier: ClassVar[Carrier] = "message"
    directions: ClassVar[tuple[str, ...]] = (DOWNSTREAM, UPSTREAM)
    omitted: ClassVar[tuple[str, ...]] = ()
    """Triggers that have no meaning for this kind."""

    def __post_init__(self) -> None:
        for name, check in rules(type(self)).items():
            value = getattr(self, name)
            if not check.holds(value):
                raise InvalidPlan(f"{self.kind}: {name} {shorten(value)}: expected {check.expected}")
        if self.direction not in self.directions:
            raise InvalidPlan(f"{self.kind}: direction {self.direction!r}: expected {self.directions[0]!r}")
        if meaningless := [name for name in self.given() if name in self.omitted]:
            raise InvalidPlan(f"{self.kind}: {', '.join(meaningless)}: expected only {', '.join(self.options())}")
        if self.symbol:
            msgspec.structs.force_setattr(self, "symbol", parse_symbol(self.symbol))

    @property
    def kind(self) -> str:
        """Its name, as in `faults.NAME` and in a file."""
        return type(self).__name__

    @classmethod
    def options(cls) -> tuple[str, ...]:
        """The names of what this kind takes: its parameters, then its triggers."""
        triggers = Fault.__struct_fields__
        own = [name for name in cls.__struct_fields__ if name not in triggers]
        return (*own, *(name for name in triggers if name not in cls.omitted))

    def given(self) -> dict[str, Any]:
        """What differs from the defaults, in the order of `options`."""
        defaults = dict(zip(reversed(self.__struct_fields__), reversed(self.__struct_defaults__), strict=False))
        values = {name: getattr(self, name) for name in (*self.options(), *self.omitted)}
        return {name: value for name, value in values.items() if name not in defaults or value != defaults[name]}

    def __repr__(self) -> str:
        return f"faults.{self.kind}({', '.join(f'{name}={value!r}' for name, value in self.given().items())})"


@functools.cache
def rules(kind: type[Fault]) -> dict[str, Check]:
    """The rule of each field of a kind, as its declaration has it."""
    hints = get_type_hints(kind, include_extras=True)
    return {name: hints[name].__metadata__[0] for name in kind.__struct_fields__}


class Once(Fault, frozen=True, kw_only=True):
    """A fault of the connection: fires behind a message or by the clock, and one time by default."""


class Lasts(Once, frozen=True):
    """A fault of the connection that lasts `duration` seconds, or for ever."""

    duration: Duration = None


class EachMessage(Fault, frozen=True, kw_only=True):
    """A fault of messages: changes what it fires on, and any number of them by default."""

    times: OneOrMoreOrNone = None


class Stretch(EachMessage, frozen=True, kw_only=True):
    """A fault of messages that may be limited to a stretch of time."""

    duration: Duration = None


class NextMessage(EachMessage, frozen=True, kw_only=True):
    """A fault of messages that by default fires one time."""

    times: OneOrMoreOrNone = 1


# --- nothing comes --------------------------------------------------------------------------------------------------


class silence(Lasts, frozen=True):
    """Nothing passes for `duration` seconds, or for ever; then all that was withheld comes at once. The connection stays open."""


class chatty_stall(Lasts, frozen=True):
    """Only heartbeats pass for `duration` seconds, or for ever; then the data that was withheld comes at once."""

    directions = (DOWNSTREAM,)


class half_open(Lasts, frozen=True):
    """The server neither reads nor writes for `duration` seconds, or for ever, and the socket stays open."""

    directions = (DOWNSTREAM,)
    carrier = "bytes"


# --- the connection ends --------------------------------------------------------------------------------------------


class close(Once, frozen=True):
    """The server closes with this code and reason; 1006 is an end without a goodbye."""

    code: CloseCode = 1000
    reason: Reason = ""


class reset_peer(Once, frozen=True):
    """Nothing passes any more, and `timeout` seconds later the connection is reset: an end with 1006, without a goodbye."""

    timeout: Seconds = 0.0


class reset_mid_frame(NextMessage, frozen=True, kw_only=True):
    """Half of the message is sent, then the connection is reset."""

    directions = (DOWNSTREAM,)
    carrier = "bytes"


class timeout(Once, frozen=True):
    """Nothing passes any more, and `timeout` seconds later the connection ends without a goodbye; 0 means never."""

    timeout: Seconds = 0.0


class limit_data(EachMessage, frozen=True):
    """The connection ends without a goodbye in place of the message that would make it more than `bytes` bytes."""

    bytes: Count
    omitted = ("times",)


class slow_close(EachMessage, frozen=True):
    """The end of the connection, whoever makes it, is seen `delay` seconds later."""

    delay: Seconds
    directions = (DOWNSTREAM,)
    omitted = ("after", "method", "symbol", "probability", "times")


class token_expired(Once, frozen=True):
    """The server refuses the token, as it does with a bad one: a fatal `protocol_error`, then a close with 1000."""


class protocol_error(Once, frozen=True):
    """The server's fatal error with this reason, then a close with 1000."""

    reason: Reason = "wrong data"


class critical_error(Once, frozen=True):
    """The server rejects a call; the socket stays open.

    `session` is the session it is about: if not given, the client's newest chart session, or else its newest quote session.
    """

    reason: Text = "invalid parameters"
    info: Text = ""
    session: Text = ""


# --- time -----------------------------------------------------------------------------------------------------------


class latency(Stretch, frozen=True):
    """Each message comes `latency` seconds later, more or less by up to `jitter`, in the old order."""

    latency: Seconds
    jitter: Seconds = 0.0


class bandwidth(Stretch, frozen=True):
    """Not more than `rate` KB per second pass, of 1,000 bytes each."""

    rate: Rate
    directions = (DOWNSTREAM,)
    carrier = "bytes"


class slicer(Stretch, frozen=True):
    """Bytes go out in slices of `average_size`, more or less by up to `size_variation`, `delay` seconds apart."""

    average_size: OneOrMore
    size_variation: Count = 0
    delay: Seconds = 0.0
    directions = (DOWNSTREAM,)
    carrier = "bytes"


class _Upstream(Stretch, frozen=True, kw_only=True):
    direction: Annotated[str, one_of(UPSTREAM)] = UPSTREAM
    directions = (UPSTREAM,)


class slow_reader(_Upstream, frozen=True):
    """The server takes `delay` seconds to read each message of the client, one after the other."""

    delay: Seconds


class clock_skew(Stretch, frozen=True):
    """The server's clock is off by `offset` seconds: `t`, `t_ms`, `timestamp` and `timestampMs` of each packet."""

    offset: Shift
    directions = (DOWNSTREAM,)


# --- messages get lost, doubled, mixed up ---------------------------------------------------------------------------


class drop(Stretch, frozen=True):
    """The message never arrives."""


class duplicate(Stretch, frozen=True):
    """The message arrives `copies` times more, at once."""

    copies: Copies = 1


class reorder(Stretch, frozen=True):
    """The message lets `n` others pass first, but waits for them `wait` seconds at the most."""

    n: OneOrMore = 1
    wait: Lasting = 1.0


class merge(Stretch, frozen=True):
    """`n` messages come as one: when the last of them has come, or `wait` seconds after the first."""

    n: TwoOrMore = 2
    wait: Lasting = 1.0


class glue_heartbeat(Stretch, frozen=True):
    """A heartbeat waits for the next message with data and comes inside it, as its `first` or its `last` packet."""

    position: Annotated[str, one_of("first", "last")] = "first"
    directions = (DOWNSTREAM,)


# --- what a message says --------------------------------------------------------------------------------------------


class missing_bar(NextMessage, frozen=True):
    """A new bar is never shown: its rows are taken out of all updates until its successor comes."""

    directions = (DOWNSTREAM,)


class revise_bar(NextMessage, frozen=True):
    """A bar that its successor has closed gets one more `du`, `delay` seconds later, its close changed by this fraction."""

    change: Fraction = 0.01
    delay: Seconds = 0.0
    directions = (DOWNSTREAM,)


class wrong_length(NextMessage, frozen=True):
    """The LEN of the message's first packet is off by `by`."""

    by: Offset = 1


class astral(Stretch, frozen=True):
    """`text` stands behind the description in `symbol_resolved`; its characters count two in LEN, which is right."""

    text: Words = " \N{GRINNING FACE}\N{MATHEMATICAL BOLD CAPITAL A}"
    directions = (DOWNSTREAM,)


class unknown_packet(Once, frozen=True):
    """A packet of a kind that nobody knows, in a message of its own."""

    name: Words = "fault_unknown"


# --- no connection comes about --------------------------------------------------------------------------------------


class refuse(Once, frozen=True):
    """The handshake is answered with an HTTP status: 403, 429 or 503, with a `Retry-After` of `retry_after` seconds if given.

    It refuses `times` attempts in a row, the first being the first of all or that of `connection`. Each attempt counts as a
    connection.
    """

    status: Annotated[int, one_of(403, 429, 503)] = 403
    retry_after: SecondsOrNone = None
    directions = (DOWNSTREAM,)
    omitted = ("at", "after", "method", "symbol", "direction")
    carrier = "handshake"


KINDS: Final[dict[str, type[Fault]]] = {
    kind.__name__: kind
    for kind in (
        silence, chatty_stall, half_open,
        close, reset_peer, reset_mid_frame, timeout, limit_data, slow_close,
        token_expired, protocol_error, critical_error,
        latency, bandwidth, slicer, slow_reader, clock_skew,
        drop, duplicate, reorder, merge, glue_heartbeat,
        missing_bar, revise_bar, wrong_length, astral, unknown_packet,
        refuse,
    )
}  # fmt: skip
"""All kinds by name, in the order in which the documents tell them."""
