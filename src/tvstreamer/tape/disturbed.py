"""A tape played with faults: its records as they would have come over a worse connection.

Faults of messages only: nobody is there to refuse, and a tape has no bytes. A connection that a fault ends is over; what the
tape holds of it beyond that is not played, as nobody was there to hear it.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator

from tvstreamer.faults import FaultFilter, FaultPlan
from tvstreamer.tape.format import Header, Record, moment, offset


def disturbed(records: Iterable[Record], header: Header, plan: FaultPlan) -> Iterator[Record]:
    """The records of a tape, disturbed by a plan. Raises `UnsupportedFault` for faults that no message carries."""
    plan.require(["message"], "the replay of a tape")
    return _disturbed(records, header.start, plan)


def _disturbed(records: Iterable[Record], start: float, plan: FaultPlan) -> Iterator[Record]:
    connections: dict[int, FaultFilter] = {}
    connection = 0
    for record in records:
        at = moment(start, record.t)
        if record.k == "http":
            # It belongs to no connection, and only comes behind what was due before it.
            filter = connections.get(connection)
            if filter is not None and filter.end is None:
                yield from _due(filter, connection, start, at, "server")
            yield record
            continue
        connection = record.c
        if record.k == "open":
            connections[connection] = plan.filter(connection, at, random.Random)
        filter = connections.get(connection)
        if filter is None or filter.idle:
            yield record
        elif filter.end is None:
            if record.k == "recv":
                filter.received(record.text(), at)
            elif record.k == "close":
                filter.ended(record.code, record.reason, at)
            yield from _due(filter, connection, start, at, record.by or "server")
            if record.k not in ("recv", "close") and filter.end is None:
                if record.k == "send":
                    filter.sent(record.text(), at)
                yield record
    # What was withheld when the tape ended still comes, in its time.
    filter = connections.get(connection)
    while filter is not None and filter.end is None and (deadline := filter.next_deadline()) is not None:
        yield from _due(filter, connection, start, deadline, "server")


def _due(filter: FaultFilter, connection: int, start: float, now: float, by: str) -> Iterator[Record]:
    for text, at in filter.deliveries(now):
        yield Record(offset(start, at), connection, "recv", raw=text)
    end = filter.end
    if end is not None:
        yield Record(offset(start, end.at), connection, "close", code=end.code, reason=end.reason, by=by)
