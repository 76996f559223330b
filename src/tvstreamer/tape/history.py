"""Bars that a recorded server delivered, found on a tape: the answer to a request that was not made at the time."""

from __future__ import annotations

import math
from pathlib import Path

from tvstreamer.errors import FramingError
from tvstreamer.intervals import Interval
from tvstreamer.protocol import codec
from tvstreamer.protocol.history import HistoryRequest
from tvstreamer.protocol.packets import BarValues, CreateSeries, SeriesCompleted, TimescaleUpdate
from tvstreamer.tape.format import Record, moment
from tvstreamer.tape.player import alike, index
from tvstreamer.tape.reader import TapeReader, scan_sends

_Key = tuple[int, str, str]
"""Connection, chart session and series."""


def recorded_history(
    path: Path, symbol: str, interval: str, bars: int | None = None, *, start: float | None = None, end: float | None = None
) -> HistoryRequest | None:
    """The answered request, from the first recorded series that goes back far enough, or of which the server said that there
    is no more; None where there is none. Raises `InvalidPlan` for what cannot be asked."""
    seconds = Interval.parse(interval).seconds
    HistoryRequest(symbol, interval, seconds, bars, start=start, end=end)
    sends = list(scan_sends(path))
    offers = alike(index(sends), "series", symbol, interval)
    offered = {(offer.connection, offer.session, offer.name) for _, offer in offers}
    if not offered:
        return None
    rows: dict[_Key, list[BarValues]] = {key: [] for key in offered}
    reach = _reach(sends)
    server: dict[int, float] = {}
    with TapeReader(path) as reader:
        for record in reader:
            for key, completed in _completed(record, rows, server):
                until = moment(reader.header.start, record.t) if end is None else end
                if reach.get(key, math.inf) >= until:
                    request = HistoryRequest(symbol, interval, seconds, bars, start=start, end=end)
                    request.take(rows[key])
                    request.completed(completed.p.details, server.get(record.c))
                    if request.done and (request.complete or request.limit):
                        return request
    return None


def _reach(sends: list[Record]) -> dict[_Key, float]:
    """Up to when the series were asked for that were not asked for up to the present."""
    reach: dict[_Key, float] = {}
    for record in sends:
        for payload in record.payloads():
            match codec.decode_command(payload):
                case CreateSeries(p=CreateSeries.Params(count=["bar_count", int(until), int()]) as p):
                    reach[record.c, p.session, p.series] = until
                case CreateSeries(p=p) if p.period.startswith("r,") and p.period.rpartition(":")[2].isdecimal():
                    reach[record.c, p.session, p.series] = int(p.period.rpartition(":")[2])
                case _:
                    pass
    return reach


def _completed(
    record: Record, rows: dict[_Key, list[BarValues]], server: dict[int, float]
) -> list[tuple[_Key, SeriesCompleted]]:
    """Adds what a record brings to the rows, and to the server's time on each connection; the series of which a page is complete
    with it."""
    found = []
    for payload in _payloads(record):
        reply = codec.decode_reply(payload)
        t_ms = getattr(reply, "t_ms", None)
        if t_ms is not None:
            server[record.c] = max(server.get(record.c, 0.0), t_ms / 1000)
        if isinstance(reply, TimescaleUpdate):
            for name, data in reply.p.objects.items():
                if data.s and (record.c, reply.p.session, name) in rows:
                    rows[record.c, reply.p.session, name] += [row.v for row in data.s]
        elif isinstance(reply, SeriesCompleted) and (record.c, reply.p.session, reply.p.series) in rows:
            found.append(((record.c, reply.p.session, reply.p.series), reply))
    return found


def _payloads(record: Record) -> list[str]:
    try:
        return record.payloads() if record.k == "recv" else []
    except FramingError:
        return []  # Nothing that a client could have made a bar of.
