"""From a stream of events to alerts. Where the events come from is not known here: a client is handed in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ma_alert.crossing import Crossing
from tvstreamer import Bar, Event, Gap, HistoryComplete


@dataclass(frozen=True, slots=True)
class Alert:
    """The averages have crossed, `"up"` or `"down"`, with the end of this bar."""

    direction: str
    bar: Bar

    def __str__(self) -> str:
        return f"{self.bar.ts:%Y-%m-%d %H:%M} {self.bar.symbol} {self.bar.interval} {self.direction} at {self.bar.close:g}"


def alerts(events: Iterable[Event], fast: int, slow: int) -> Iterator[Alert]:
    """The crossings of the only series of a client, each once. A client is iterable.

    A bar counts when the next one has begun: one that only the clock has closed may still get another close, where its last
    trades come late. Bars of before the start only make the first averages. Bars that an outage held back count as if they had
    come in time. After bars that are lost for good the averages begin anew, as nobody knows how they went on meanwhile.
    """
    crossing = Crossing(fast, slow)
    live = False
    newest: Bar | None = None
    counted = float("-inf")
    for event in events:
        match event:
            case Bar():
                if newest is not None and event.time > newest.time:
                    counted = newest.time
                    direction = crossing.update(newest.close)
                    if direction is not None and live:
                        yield Alert(direction, newest)
                    newest = None
                if event.closed and event.time > counted:
                    newest = event
            case HistoryComplete():
                live = True
            case Gap(interval=str(), filled=filled, expected=expected) if filled is None or filled != expected:
                crossing.reset()
                newest = None
