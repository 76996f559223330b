"""The seam between a connection and the desks that answer its commands.

A connection has the clock, the sockets' messages and the ticks that are due. What its client asks for is answered by
*desks*, each of which knows one kind of session: quotes, charts, and whatever else is put beside them. A desk never sends
by itself. It answers a command by handing packets to `Floor.collect`, each with its rank: all answers to a burst of
commands go out together, a moment later, as one message in the order of ranks. What a tick of the market changes it
returns from `tick`, and the connection makes one message of what all desks return, in the order of the desks.

**Beside a series** (studies). A desk that lives off series registers a `SeriesWatcher` with `ChartDesk.watchers`. It is
told when a series begins to load, has loaded, has got older bars, is gone, and of every bar that is new or has changed;
what it collects or returns then goes into the same burst or message, behind the bars. `Feed.rows()` has all bars that
the client was given, with their indexes.

**In the place of the market** (bar replay). What a symbol string names is an `Instrument`. A desk that has instruments
of its own adds a function to `ChartDesk.openers`, which is asked before the market; its instruments have a `key` that is
no symbol of the market, and when they move, the desk sends `ChartDesk.tick(key, tick, at)` with `Floor.send`, or
collects it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final, Protocol

import msgspec

from tvstreamer.protocol.packets import Command, Reply
from tvstreamer.protocol.server import ServerProtocol
from tvstreamer.server.manners import Manners
from tvstreamer.server.market import Market
from tvstreamer.server.market.bars import MarketTick

LOADING: Final = 0
STUDY_LOADING: Final = 1
SYMBOL: Final = 2
QUOTE: Final = 3
BARS: Final = 4
STUDIES: Final = 5
"""Ranks of replies in a burst, as the real server was seen to order them. Studies get a message of their own behind."""


class Floor(Protocol):
    """What a connection offers to its desks."""

    @property
    def market(self) -> Market: ...

    @property
    def manners(self) -> Manners: ...

    @property
    def server(self) -> ServerProtocol:
        """The books of sessions, fields and symbols; its `reject` and `note` are for what is refused or odd."""
        ...

    def collect(self, rank: int, reply: Reply) -> None:
        """Adds an answer to the burst; its time is put in when the burst is sent."""
        ...

    @property
    def burst(self) -> int:
        """The number of the burst that is being collected; another one begins when it is sent or cut."""
        ...

    def cut(self) -> None:
        """What is collected from here on goes into another message behind what was collected so far."""
        ...

    def send(self, replies: Iterable[Reply], at: float) -> None:
        """Sends these as one message now, outside of any burst."""
        ...

    def follow(self, symbol: str, at: float) -> float:
        """Has the ticks of a symbol of the market told from now on. Returns up to when they have been told already.

        A snapshot has to be of that very moment, or a tick would be in neither or in both.
        """
        ...

    def release(self) -> None:
        """Stops following the symbols that no desk names any more."""
        ...


class Desk(Protocol):
    """Answers the commands of one kind of session."""

    def answer(self, command: Command, at: float) -> bool:
        """Whether the command was for this desk."""
        ...

    def clear(self) -> None:
        """Forgets everything: the client is gone."""
        ...


class MarketDesk(Desk, Protocol):
    """A desk that follows the market itself; the others live off what such a desk tells."""

    def symbols(self) -> Collection[str]:
        """The symbols of the market whose ticks this desk wants."""
        ...

    def tick(self, symbol: str, tick: MarketTick) -> list[Reply]:
        """What a tick changes for the client."""
        ...


def timed(reply: Reply, at: float) -> Reply:
    """The reply with the server's time, where its kind carries one."""
    if "t_ms" not in reply.__struct_fields__:
        return reply
    milliseconds = round(at * 1000)
    return msgspec.structs.replace(reply, t=milliseconds // 1000, t_ms=milliseconds)
