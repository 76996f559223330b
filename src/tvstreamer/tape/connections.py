"""The connections of a tape: what was asked for on each, which records it goes from and to, and which one is for a client.

A tape may hold those of several clients, recorded beside each other or one after the other. A client gets the first that
holds all that it subscribes to, and after its end the next that does: one that had begun before was that of somebody else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

from tvstreamer.errors import TapeMismatch
from tvstreamer.protocol.subscription import Subscription
from tvstreamer.studies import Study, study_label
from tvstreamer.symbols import base_symbol, quoted_symbol
from tvstreamer.tape.format import Record
from tvstreamer.tape.player import Offer, index, nearest_offer
from tvstreamer.tape.reader import TapeReader, scan_heads

_MOST_NAMED = 3
"""So many connections, and things that they lack, are named in an error."""


class Question(NamedTuple):
    """What a client asks for, or an `Offer` answers, without where and when."""

    kind: str
    symbol: str
    interval: str = ""
    study: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, self[1:]))


def questions(subscription: Subscription) -> Iterator[Question]:
    """What a subscription asks for."""
    symbol, interval = subscription.symbol, subscription.interval
    if subscription.ticks or subscription.quotes:
        yield Question("quote", quoted_symbol(symbol))
    if subscription.bars and interval is not None:
        yield Question("series", symbol, interval)
        for study in map(Study.parse, subscription.studies):
            label, _ = study_label(study.wire_name, study.wire_inputs())
            yield Question("study", symbol, interval, label)


@dataclass(slots=True)
class TapedConnection:
    """One connection of a tape; `begin` is the place of its first record among all records, `end` that behind its last."""

    number: int
    opened: Record
    begin: int
    end: int
    offers: Sequence[Offer]
    answers: frozenset[Question]
    """What it can be asked. A symbol without options stands for however it was recorded."""
    beside: int = 0
    """The connection that it was recorded beside, to hold what that one does not; 0 for none."""
    shift: float = 0.0
    """What its times lack to be those of that connection."""

    def lacks(self, subscriptions: Iterable[Subscription]) -> list[Question]:
        """What these ask for, and was not asked for on this connection when it was recorded."""
        return [each for subscription in subscriptions for each in questions(subscription) if each not in self.answers]


def records_of(path: Path, connection: int) -> Iterator[Record]:
    """One connection's records behind its opening. The file is closed when they are used up or nobody wants them any more."""
    with TapeReader(path) as reader:
        yield from (record for record in reader if record.c == connection and record.k != "open")


def taped_connections(path: Path, sends: Iterable[Record]) -> list[TapedConnection]:
    """The connections of a tape, in the order in which they began; `sends` are what `scan_sends` finds on it."""
    offers: dict[int, list[Offer]] = {}
    for offer in index(sends):
        offers.setdefault(offer.connection, []).append(offer)
    found: dict[int, TapedConnection] = {}
    for place, head in enumerate(scan_heads(path)):
        if head.k == "open":
            own = offers.get(head.c, [])
            opened = Record(head.t, head.c, "open", url=head.url)
            found[head.c] = TapedConnection(head.c, opened, place, place + 1, own, _answers(own))
        elif head.c in found:
            found[head.c].end = place + 1
            if head.k == "note":
                _note(head.note, found[head.c], found)
    return list(found.values())


def _answers(offers: Iterable[Offer]) -> frozenset[Question]:
    asked = {Question(each.kind, each.symbol, each.interval, each.study) for each in offers}
    return frozenset(asked | {each._replace(symbol=base_symbol(each.symbol)) for each in asked})


def _note(note: Any, connection: TapedConnection, found: dict[int, TapedConnection]) -> None:
    """A connection can only be beside one that came before it, and stands by itself."""
    match note:
        case {"beside": int(number), "shift": int() | float() as shift} if number < connection.number and isfinite(shift):
            if number in found and not found[number].beside:
                connection.beside, connection.shift = number, float(shift)
        case _:
            pass


# --- which one is for a client ------------------------------------------------------------------------------------------


def answering(
    connections: Iterable[TapedConnection], subscriptions: Sequence[Subscription], place: int = 0
) -> TapedConnection | None:
    """The first connection that holds all of that, of those that began from that place of the tape on; None for none."""
    return next(
        (each for each in connections if each.begin >= place and not each.beside and not each.lacks(subscriptions)), None
    )


def unanswered(connections: Sequence[TapedConnection], subscriptions: Sequence[Subscription]) -> TapeMismatch:
    """Why none of the connections holds all of that."""
    for question in (each for subscription in subscriptions for each in questions(subscription)):
        holding = [each for each in connections if question in each.answers]
        if not holding:
            nearest = nearest_offer([offer for each in connections for offer in each.offers], str(question), question.kind)
            return TapeMismatch(f"{question} is not on the tape", nearest=nearest)
        if all(each.beside for each in holding):
            first, second = holding[0].beside, holding[0].number
            return TapeMismatch(f"{question}: connection {second} was recorded beside {first} for it; only use_tape plays both")
    least = sorted((each for each in connections if not each.beside), key=lambda each: len(each.lacks(subscriptions)))
    lacking = [_lacking(each, subscriptions) for each in least[:_MOST_NAMED]]
    return TapeMismatch(f"no connection of the tape holds all that is subscribed: {'; '.join(lacking)}")


def _lacking(connection: TapedConnection, subscriptions: Sequence[Subscription]) -> str:
    lacks = list(dict.fromkeys(map(str, connection.lacks(subscriptions))))
    more = f" and {len(lacks) - _MOST_NAMED} more" if len(lacks) > _MOST_NAMED else ""
    return f"connection {connection.number} lacks {', '.join(lacks[:_MOST_NAMED])}{more}"
