"""Who gets which event, and what happens to those who cannot keep up. No threads, no waiting.

A consumer has a filter and a mailbox. A mailbox holds at most `size` events and has a policy for the one too many: `block`
says that it does not fit (whoever delivers then waits, or raises), `drop_oldest` and `drop_newest` drop and count,
`latest` keeps the newest state of each symbol or series, `error` fails the consumer.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Literal, get_args

import msgspec

from tvstreamer.errors import InvalidPlan, MailboxFull
from tvstreamer.events import Bar, Event, Quote, StudyUpdate, Tick

Policy = Literal["block", "drop_oldest", "drop_newest", "latest", "error"]
POLICIES: tuple[str, ...] = get_args(Policy)


class MailboxStatistics(msgspec.Struct, frozen=True):
    """Counts of one mailbox; what was offered was delivered, dropped, conflated, or is still `waiting`."""

    name: str
    offered: int
    delivered: int
    dropped: int
    conflated: int
    waiting: int


def check_mailbox(size: int, policy: str) -> None:
    """Raises `InvalidPlan` for what no mailbox can have."""
    if size < 1:
        raise InvalidPlan(f"mailbox size {size!r}: expected 1 or more")
    if policy not in POLICIES:
        raise InvalidPlan(f"mailbox policy {policy!r}: expected one of {', '.join(POLICIES)}")


class Mailbox:
    """The bounded queue in front of one consumer."""

    def __init__(self, name: str, *, size: int = 1024, policy: Policy = "block") -> None:
        check_mailbox(size, policy)
        self.name = name
        self.size = size
        self.policy = policy
        self._queue: deque[Event] = deque()
        self._latest: OrderedDict[object, Event] = OrderedDict()
        self._offered = self._delivered = self._dropped = self._conflated = 0

    def __repr__(self) -> str:
        return f"<Mailbox {self.name!r} {len(self)}/{self.size} {self.policy}, {self._dropped} dropped>"

    def __len__(self) -> int:
        return len(self._latest) if self.policy == "latest" else len(self._queue)

    def offer(self, event: Event) -> bool:
        """Takes an event as the policy says; False (and nothing changed) where a `block` mailbox is full.

        Raises `MailboxFull` where the policy is `error`, and where `latest` would have to give up a closed bar.
        """
        if self.policy == "latest":
            self._offer_latest(event)
            return True
        if len(self._queue) >= self.size:
            if self.policy == "block":
                return False
            if self.policy == "error":
                raise MailboxFull(f"mailbox {self.name!r} is full: {self.size} events wait, policy 'error'")
            self._offered += 1
            self._dropped += 1
            if self.policy == "drop_newest":
                return True
            self._queue.popleft()
            self._queue.append(event)
            return True
        self._offered += 1
        self._queue.append(event)
        return True

    def _offer_latest(self, event: Event) -> None:
        key = _state_key(event)
        # A closed bar and a status event have a key of their own, so that nothing ever replaces them.
        fresh = key is None or key not in self._latest
        if fresh and len(self._latest) >= self.size:
            raise MailboxFull(f"mailbox {self.name!r} is full: {self.size} states wait, and 'latest' gives none up")
        self._offered += 1
        if not fresh:
            self._conflated += 1
        self._latest[self._offered if key is None else key] = event

    def take(self) -> Event | None:
        """The next event; None when nothing waits."""
        if self._latest:
            self._delivered += 1
            return self._latest.popitem(last=False)[1]
        if self._queue:
            self._delivered += 1
            return self._queue.popleft()
        return None

    def statistics(self) -> MailboxStatistics:
        return MailboxStatistics(
            self.name, self._offered, self._delivered, self._dropped, self._conflated, len(self)
        )


def _state_key(event: Event) -> object:
    """What a newer event of the same key makes obsolete; None for an event that must not be lost."""
    match event:
        case Bar(closed=False):
            return ("bar", event.symbol, event.interval, event.time)
        case StudyUpdate(closed=False):
            return ("study", event.symbol, event.interval, event.study, event.time)
        case Tick() | Quote():
            return (type(event).__name__, event.symbol)
        case _:
            return None


Filter = Callable[[Event], bool]


def ticks_of(symbols: frozenset[str]) -> Filter:
    """Ticks of these symbols; of all where none is named."""
    return lambda event: isinstance(event, Tick) and (not symbols or event.symbol in symbols)


def bars_of(pairs: frozenset[tuple[str, str]], *, closed: bool = False, revisions: bool = True) -> Filter:
    """Bars of these (symbol, interval) pairs, of all where none is named; perhaps closed ones only."""

    def wanted(event: Event) -> bool:
        return (
            isinstance(event, Bar)
            and (not pairs or (event.symbol, event.interval) in pairs)
            and (event.closed or not closed)
            and (event.revision == 0 or revisions)
        )

    return wanted


def studies_of(pairs: frozenset[tuple[str, str]], *, closed: bool = False) -> Filter:
    """Values of the studies of these (symbol, interval) pairs, of all where none is named; perhaps final ones only."""

    def wanted(event: Event) -> bool:
        return (
            isinstance(event, StudyUpdate)
            and (not pairs or (event.symbol, event.interval) in pairs)
            and (event.closed or not closed)
        )

    return wanted
