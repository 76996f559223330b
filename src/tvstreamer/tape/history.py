"""Bars that were delivered in one go, found on a tape."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tvstreamer.errors import FramingError
from tvstreamer.events import Bar
from tvstreamer.protocol import codec
from tvstreamer.protocol.charts import history_bars
from tvstreamer.protocol.packets import BarValues, SeriesCompleted, TimescaleUpdate
from tvstreamer.tape.format import Record
from tvstreamer.tape.player import index
from tvstreamer.tape.reader import TapeReader, scan_sends


def recorded_history(path: Path, symbol: str, interval: str, n: int) -> list[Bar] | None:
    """The newest `n` bars of the first recorded delivery of this series that is long enough; None where there is none."""
    offers = index(scan_sends(path))
    wanted = {
        (offer.connection, offer.session, offer.name)
        for offer in offers
        if (offer.kind, offer.symbol, offer.interval) == ("series", symbol, interval)
    }
    if not wanted:
        return None
    rows: dict[tuple[int, str, str], list[BarValues]] = {key: [] for key in wanted}
    with TapeReader(path) as reader:
        return _first_long_enough(reader, rows, symbol, interval, n)


def _payloads(record: Record) -> list[str]:
    try:
        return record.payloads()
    except FramingError:
        return []  # Nothing that a client could have made a bar of.


def _first_long_enough(
    records: Iterable[Record], rows: dict[tuple[int, str, str], list[BarValues]], symbol: str, interval: str, n: int
) -> list[Bar] | None:
    for record in records:
        if record.k != "recv":
            continue
        for payload in _payloads(record):
            reply = codec.decode_reply(payload)
            if isinstance(reply, TimescaleUpdate):
                for name, data in reply.p.objects.items():
                    key = (record.c, reply.p.session, name)
                    if key in rows and data.s:
                        rows[key].extend(row.v for row in data.s)
            elif isinstance(reply, SeriesCompleted):
                found = rows.pop((record.c, reply.p.session, reply.p.series), [])
                if len(found) >= n:
                    return history_bars(symbol, interval, found, newest_is_closed=False)[-n:]
    return None
