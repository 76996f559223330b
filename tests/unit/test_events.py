"""What the user receives, and how it is written."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from tvstreamer.events import (
    MARKET_EVENTS,
    STATUS_EVENTS,
    Bar,
    Connected,
    Disconnected,
    Event,
    Gap,
    HistoryComplete,
    Notice,
    Quote,
    Reconnected,
    SeriesFailed,
    Stalled,
    StudyFailed,
    StudyUpdate,
    SymbolFailed,
    SymbolInfo,
    Tick,
    event_from_json,
)

INFO = (
    "name full_name pro_name description exchange listed_exchange kind typespecs currency_code timezone session"
    " session_holidays subsession_id subsessions pricescale minmov minmove2 fractional pointvalue has_intraday"
    " has_extended_hours visible_plots_set delay"
).split()

WRITTEN: list[tuple[Event, str]] = [
    (Tick("EX:SYM", 1700000000.0, 100.5), '{"type":"tick","symbol":"EX:SYM","time":1700000000.0,"price":100.5,"volume":null}'),
    (Tick("EX:SYM", 1700000000.25, 100.0, 7.5), '{"type":"tick","symbol":"EX:SYM","time":1700000000.25,"price":100.0,"volume":7.5}'),
    (Quote("EX:SYM", 5.0, "ok", {"rtc": None, "bid": 1}, {"lp": 2.0, "rtc": None, "bid": 1}),
     '{"type":"quote","symbol":"EX:SYM","time":5.0,"status":"ok","changes":{"rtc":null,"bid":1},"fields":{"lp":2.0,"rtc":null,"bid":1}}'),
    (Bar("EX:SYM", "1", 60.0, 1.0, 2.0, 0.5, 1.5),
     '{"type":"bar","symbol":"EX:SYM","interval":"1","time":60.0,"open":1.0,"high":2.0,"low":0.5,"close":1.5,"volume":null,"closed":false,"closed_by":null,"revision":0}'),
    (Bar("EX:SYM", "1D", 60.0, 1.0, 2.0, 0.5, 1.5, 9.0, True, "successor", 2),
     '{"type":"bar","symbol":"EX:SYM","interval":"1D","time":60.0,"open":1.0,"high":2.0,"low":0.5,"close":1.5,"volume":9.0,"closed":true,"closed_by":"successor","revision":2}'),
    (SymbolInfo("EX:SYM", kind="spot", pricescale=100, extra={"novel": [1]}),
     '{"type":"symbol_info","symbol":"EX:SYM",'
     + ",".join(f'"{name}":' + {"kind": '"spot"', "pricescale": "100"}.get(name, "null") for name in INFO)
     + ',"extra":{"novel":[1]}}'),
    (Connected(5.0, 1), '{"type":"connected","time":5.0,"connection":1}'),
    (Disconnected(5.0, 1, 1006, "gone"), '{"type":"disconnected","time":5.0,"connection":1,"code":1006,"reason":"gone"}'),
    (Reconnected(5.0, 2, 1.5), '{"type":"reconnected","time":5.0,"connection":2,"seconds":1.5}'),
    (Stalled(5.0, 1, "progress", 180.0), '{"type":"stalled","time":5.0,"connection":1,"kind":"progress","seconds":180.0}'),
    (Gap("EX:SYM", "1", 60.0, 180.0, "disconnected", 2, 2),
     '{"type":"gap","symbol":"EX:SYM","interval":"1","start":60.0,"end":180.0,"reason":"disconnected","filled":2,"expected":2}'),
    (Gap("EX:SYM", None, 60.5, 61.0, "stalled", None),
     '{"type":"gap","symbol":"EX:SYM","interval":null,"start":60.5,"end":61.0,"reason":"stalled","filled":null,"expected":null}'),
    (HistoryComplete("EX:SYM", "1", 5.0, 300, "streaming"),
     '{"type":"history_complete","symbol":"EX:SYM","interval":"1","time":5.0,"bars":300,"update_mode":"streaming"}'),
    (SymbolFailed("EX:SYM", 5.0, "no"), '{"type":"symbol_failed","symbol":"EX:SYM","time":5.0,"reason":"no"}'),
    (SeriesFailed("EX:SYM", "1", 5.0, "no"), '{"type":"series_failed","symbol":"EX:SYM","interval":"1","time":5.0,"reason":"no"}'),
    (StudyUpdate("EX:SYM", "1", "RSI:14", 60.0, {"rsi": 55.5}),
     '{"type":"study_update","symbol":"EX:SYM","interval":"1","study":"RSI:14","time":60.0,"values":{"rsi":55.5},"closed":false}'),
    (StudyUpdate("EX:SYM", "1", "BB:20,2", 60.0, {"basis": 1.5, "upper": None}, True),
     '{"type":"study_update","symbol":"EX:SYM","interval":"1","study":"BB:20,2","time":60.0,"values":{"basis":1.5,"upper":null},"closed":true}'),
    (StudyFailed("EX:SYM", "1", "RSI:14", 5.0, "no"),
     '{"type":"study_failed","symbol":"EX:SYM","interval":"1","study":"RSI:14","time":5.0,"reason":"no"}'),
    (Notice(5.0, "unknown", "novel"), '{"type":"notice","time":5.0,"kind":"unknown","method":"novel","count":1,"detail":""}'),
    (Notice(5.0, "critical_error", "critical_error", 3, "why"),
     '{"type":"notice","time":5.0,"kind":"critical_error","method":"critical_error","count":3,"detail":"why"}'),
]  # fmt: skip


@pytest.mark.parametrize(("event", "line"), WRITTEN, ids=lambda value: type(value).__name__)
def test_an_event_writes_its_type_and_then_its_fields_in_order(event: Event, line: str) -> None:
    assert event.to_json().decode() == line


@pytest.mark.parametrize(("event", "line"), WRITTEN, ids=lambda value: type(value).__name__)
def test_an_event_is_read_back_from_its_line(event: Event, line: str) -> None:
    assert event_from_json(line) == event
    assert event_from_json(line.encode()) == event
    assert type(event_from_json(line)) is type(event)


def test_every_event_is_of_the_market_or_of_the_status_and_is_written_above() -> None:
    kinds = set(Event.__subclasses__())
    assert {*MARKET_EVENTS, *STATUS_EVENTS} == kinds
    assert set(MARKET_EVENTS).isdisjoint(STATUS_EVENTS)
    assert {type(event) for event, _ in WRITTEN} == kinds


def test_text_is_written_on_one_line_and_as_it_is() -> None:
    line = SymbolFailed("TSE:日経", 5.0, "no\n\N{ROCKET}").to_json()
    assert b"\n" not in line
    assert '"TSE:日経"' in line.decode()
    assert event_from_json(line) == SymbolFailed("TSE:日経", 5.0, "no\n\N{ROCKET}")


@pytest.mark.parametrize("number", [1e-7, 1e100, 2.0**70, -0.0, 5e-324])
def test_numbers_of_any_size_are_read_back_as_they_were(number: float) -> None:
    tick = Tick("EX:SYM", 5.0, number)
    assert json.loads(tick.to_json())["price"] == number
    assert event_from_json(tick.to_json()) == tick


@pytest.mark.parametrize(
    "line",
    [
        "", "7", "[]", "{}", "null", "nonsense",
        '{"type":"novel"}',
        '{"symbol":"EX:SYM","time":5.0,"price":1.0}',
        '{"type":"tick","symbol":"EX:SYM","time":5.0}',
        '{"type":"tick","symbol":"EX:SYM","time":"5","price":1.0}',
        '{"type":"bar","symbol":"EX:SYM","interval":"1","time":1,"open":1,"high":1,"low":1,"close":1,"closed_by":"chance"}',
        '{"type":"tick","symbol":"\ud800","time":5.0,"price":1.0}',
        b'{"type":"tick","symbol":"\xff","time":5.0,"price":1.0}',
        b"\xff",
        '{"type":"quote","symbol":"EX:SYM","time":5.0,"status":"ok","fields":{},"changes":{"a":' + "[" * 5_000 + "]" * 5_000 + "}}",
    ],
)  # fmt: skip
def test_what_is_no_event_is_refused(line: str | bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        event_from_json(line)


def test_an_event_does_not_change() -> None:
    event: Any = Tick("EX:SYM", 5.0, 1.0)
    with pytest.raises(AttributeError):
        event.price = 2.0


def test_symbol_infos_do_not_share_what_they_keep() -> None:
    SymbolInfo("EX:SYM").extra["novel"] = 1
    assert SymbolInfo("EX:SYM").extra == {}


# --- moments ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("event", [event for event, _ in WRITTEN if not isinstance(event, SymbolInfo | Gap)], ids=lambda event: type(event).__name__)
def test_ts_is_the_time_as_an_aware_moment(event: Event) -> None:
    moment = event.ts
    assert moment is not None
    assert moment.utcoffset() == timedelta(0)
    assert moment.timestamp() == event.time  # type: ignore[attr-defined]


def test_ts_is_in_utc_and_exact() -> None:
    assert Tick("EX:SYM", 1700000000.25, 1.0).ts == datetime(2023, 11, 14, 22, 13, 20, 250_000, UTC)


def test_an_event_without_a_time_has_no_ts() -> None:
    assert SymbolInfo("EX:SYM").ts is None


@pytest.mark.parametrize("time", [253402300800.0, -62135596801.0, 1e30, -1e300, float("inf"), float("nan")])
def test_a_time_beyond_the_calendar_has_no_ts(time: float) -> None:
    assert Tick("EX:SYM", time, 1.0).ts is None
