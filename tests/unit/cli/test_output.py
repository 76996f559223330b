from __future__ import annotations

import csv
import io

import pytest

from tvstreamer.cli.output import printer
from tvstreamer.events import Connected, Event, Notice, Quote, Tick

TICK = Tick("A:B", 1_755_702_000.5, 0.000012345, None)
EVENTS: list[Event] = [Connected(1.0, 1), TICK, TICK, Quote("A:B", 2.0, "ok", {"lp": 5}, {"lp": 5, "name": 'a,"b"'})]


def printed(form: str, events: str = "all") -> str:
    stream = io.BytesIO()
    write = printer(form, events, stream)
    for event in EVENTS:
        write(event)
    return stream.getvalue().decode()


def test_json_lines_are_the_events_own() -> None:
    assert printed("jsonl").encode() == b"".join(event.to_json() + b"\n" for event in EVENTS)


def test_market_leaves_out_status_events() -> None:
    assert printed("jsonl", "market").encode() == b"".join(event.to_json() + b"\n" for event in EVENTS[1:])


def test_csv_has_one_header_for_each_kind_and_quotes_what_needs_it() -> None:
    rows = list(csv.reader(io.StringIO(printed("csv"))))
    assert [row[0] for row in rows] == ["type", "connected", "type", "tick", "tick", "type", "quote"]
    header, values = rows[2], rows[3]
    assert dict(zip(header, values, strict=True)) == {
        "type": "tick", "symbol": "A:B", "time": "1755702000.5", "price": "1.2345e-05", "volume": "",
    }  # fmt: skip
    assert rows[6][-1] == '{"lp":5,"name":"a,\\"b\\""}'


def test_a_table_shows_times_in_utc_and_leaves_out_what_is_empty() -> None:
    line = printed("table").splitlines()[1]
    assert line.split() == ["2025-08-20T15:00:00.500+00:00", "tick", "A:B", "price=1.2345e-05"]


def test_what_a_server_says_is_one_line_of_a_table_and_no_command_of_the_terminal() -> None:
    stream = io.BytesIO()
    printer("table", stream=stream)(Quote("A:B", 2.0, "ok", {}, {"x": 1, "name\x1b[2J": "a\nb\u2028\u202e\x9b"}))
    printer("table", stream=stream)(Notice(2.0, "unknown", "A:B\x1b]0;x\x07\r\n"))
    text = stream.getvalue().decode()
    assert all(character.isprintable() for line in text.split("\n") for character in line)
    assert text.count("\n") == 2
    assert "method=A:B ]0;x" in text


def test_each_event_is_flushed() -> None:
    raw = io.BytesIO()
    write = printer("jsonl", stream=io.BufferedWriter(raw))  # type: ignore[arg-type]
    write(TICK)
    assert raw.getvalue() == TICK.to_json() + b"\n"


def test_an_unknown_form_is_an_error() -> None:
    with pytest.raises(KeyError):
        printer("yaml", stream=io.BytesIO())
