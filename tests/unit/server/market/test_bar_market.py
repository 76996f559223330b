"""A market of given bars."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tvstreamer.errors import InvalidSource, SeriesError
from tvstreamer.server.market import Market
from tvstreamer.server.market.bar_market import BarMarket

BTC = "BINANCE:BTCUSDT"
MIDNIGHT = 1_751_846_400
MINUTES = [[MIDNIGHT + 60 * n, 100 + n, 102.5 + n, 99.25 + n, 101 + n, 0.1 * n] for n in range(30)]


def market(rows: list[list[float]], interval: str | None = None) -> Market:
    return Market(sources={"*": BarMarket.of(rows, interval)})


def values(rows: list) -> list[list[float]]:  # type: ignore[type-arg]
    return [[row.time, row.open, row.high, row.low, row.close, row.volume] for row in rows]


def test_bars_of_the_past_are_history_as_they_were_given() -> None:
    rows = market(MINUTES).history(BTC, "1", MIDNIGHT + 86_400, 100)
    assert values(rows) == MINUTES
    assert [row.end - row.time for row in rows] == [60] * 30
    assert market(MINUTES).history(BTC, "1", MIDNIGHT + 86_400, 0) == []


def test_longer_intervals_are_added_up() -> None:
    (bar,) = market(MINUTES).history(BTC, "5", MIDNIGHT + 600, 1, at=MIDNIGHT + 86_400)[-1:]
    assert values([bar]) == [[MIDNIGHT + 600, 110, 116.5, 109.25, 115, pytest.approx(6.0)]]
    (day,) = market(MINUTES).history(BTC, "1D", MIDNIGHT + 86_400, 5)
    assert (day.open, day.close, day.end) == (100, 130, MIDNIGHT + 86_400)


@pytest.mark.parametrize(
    ("interval", "supported", "refused"),
    [
        ("5", "5 10 15 60 1D 1W 1M 12M", "1 7 30S 1T 5R"),
        ("1D", "1D 3D 1W 2W 1M", "1 60 240 1T"),
        ("2D", "2D", "1D 4D 1W 1M 60"),
        ("1W", "1W 2W", "1D 1M 60"),
        ("3M", "3M", "1M 12M 1D 1W"),
        ("1M", "1M 3M 12M", "1D 1W 60"),
        ("10S", "10S 20S 1 1D", "5S 15S"),
    ],
)
def test_shorter_and_odd_intervals_cannot_be_known(interval: str, supported: str, refused: str) -> None:
    given = market(MINUTES[:1], interval)
    for each in supported.split():
        assert given.supports(BTC, each), each
    for each in refused.split():
        assert not given.supports(BTC, each), each
        with pytest.raises(SeriesError, match=f"unsupported resolution: {BTC}, {each}"):
            given.history(BTC, each, MIDNIGHT, 5)


@pytest.mark.parametrize(
    ("step", "interval"),
    [(60, "1"), (300, "5"), (30, "30S"), (3_600, "60"), (86_400, "1D"), (23 * 3_600, "1D"), (604_800, "1W"), (28 * 86_400, "1M"), (91 * 86_400, "3M"), (366 * 86_400, "12M")],
)  # fmt: skip
def test_the_interval_is_the_shortest_step(step: int, interval: str) -> None:
    rows = [[MIDNIGHT, 1, 1, 1, 1], [MIDNIGHT + step, 1, 1, 1, 1], [MIDNIGHT + 4 * step, 1, 1, 1, 1]]
    assert interval in repr(BarMarket.of(rows).find(BTC, None))  # type: ignore[arg-type]


def test_one_bar_has_no_step() -> None:
    with pytest.raises(InvalidSource, match="expected two at least"):
        BarMarket.of(MINUTES[:1])
    with pytest.raises(InvalidSource, match="bar 1: 3 values: expected 5, or 6"):
        BarMarket.of([[1, 2, 3]])


def test_a_bar_is_played_in_four_ticks() -> None:
    given = market(MINUTES)
    ticks = given.ticks(BTC, MIDNIGHT + 59, MIDNIGHT + 119)
    assert [(tick.time - MIDNIGHT, tick.price) for tick in ticks] == [(60, 101), (75, 100.25), (90, 103.5), (105, 102)]
    assert sum(tick.size for tick in ticks) == pytest.approx(0.1)
    assert given.next_tick(BTC, MIDNIGHT + 75) == ticks[2]
    assert given.next_tick(BTC, MIDNIGHT + 86_400) is None
    falling = market([[MIDNIGHT, 5, 6, 3, 4], [MIDNIGHT + 60, 4, 4, 4, 4]])
    assert [tick.price for tick in falling.ticks(BTC, 0, MIDNIGHT + 59)] == [5, 6, 3, 4]


def test_a_bar_forms_as_its_ticks_come() -> None:
    given = market(MINUTES)
    assert values(given.history(BTC, "1", MIDNIGHT + 80, 1)) == [[MIDNIGHT + 60, 101, 101, 100.25, 100.25, pytest.approx(0.05)]]
    forming = given.bar_at(BTC, "5", MIDNIGHT + 80)
    assert forming is not None and (forming.high, forming.close) == (102.5, 100.25)
    assert given.bar_at(BTC, "5", MIDNIGHT + 86_400) is None
    assert given.bar_at(BTC, "5", MIDNIGHT - 1) is None
    # As known then, of an older bar.
    assert given.history(BTC, "1", MIDNIGHT + 30, 5, at=MIDNIGHT + 80)[-1].close == 101


def test_before_the_first_bar_there_is_nothing() -> None:
    given = market(MINUTES)
    assert given.history(BTC, "1", MIDNIGHT - 1, 10) == []
    series = given.series(BTC, "1", at=MIDNIGHT - 1, count=10)
    assert series.rows == []
    assert given.quote(BTC, MIDNIGHT - 1, ["lp", "current_session"]) == {"current_session": "market"}
    for tick in given.ticks(BTC, MIDNIGHT - 1, MIDNIGHT + 3_600):
        series.add(tick)
    assert values(series.rows) == MINUTES


def test_a_quote_is_of_the_day_so_far() -> None:
    rows = [[MIDNIGHT - 60, 90, 95, 89, 94, 1], *MINUTES]
    quote = market(rows).quote(BTC, MIDNIGHT + 125)
    assert quote["lp"] == 102
    assert (quote["open_price"], quote["high_price"], quote["low_price"], quote["prev_close_price"]) == (100, 103.5, 99.25, 94)
    assert (quote["ch"], quote["lp_time"], quote["volume"]) == (8, MIDNIGHT + 120, pytest.approx(0.15))
    opening = market(rows).quote(BTC, MIDNIGHT + 1)
    assert (opening["open_price"], opening["high_price"]) == (100, 100)


def test_bars_within_the_exchanges_hours_are_counted_by_them() -> None:
    opens = int(datetime(2025, 7, 15, 13, 30, tzinfo=UTC).timestamp())
    hours = [[opens + 3_600 * n, 1, 1, 1, 1, 1] for n in range(7)]
    rows = market(hours).history("NASDAQ:AAPL", "60", opens + 86_400, 10)
    assert [row.end - row.time for row in rows] == [3_600] * 6 + [1_800]
    (two, *_) = market(hours).history("NASDAQ:AAPL", "120", opens + 86_400, 10)
    assert two.time == opens
    info = market(hours).info("NASDAQ:AAPL")
    assert info is not None and (info["session"], info["timezone"]) == ("0930-1600", "America/New_York")
    # In the evening there is no session, so these cannot be by it.
    late = market([[row[0] + 8 * 3_600, *row[1:]] for row in hours]).info("NASDAQ:AAPL")
    assert late is not None and late["session"] == "24x7"


def test_days_of_an_exchange_begin_with_its_session_or_at_midnight() -> None:
    opens = int(datetime(2025, 7, 15, 13, 30, tzinfo=UTC).timestamp())
    by_session = market([[opens + 86_400 * n, 1, 1, 1, 1] for n in range(3)])
    (day, *_) = by_session.history("NASDAQ:AAPL", "1D", opens + 9e5, 9)
    assert day.end == opens + 23_400
    by_date = market([[MIDNIGHT + 86_400 * n, 1, 1, 1, 1] for n in range(10)])
    (day, *_) = by_date.history("NASDAQ:AAPL", "1D", MIDNIGHT + 9e6, 9)
    assert day.end == day.time + 86_400
    assert [row.volume for row in by_date.history("NASDAQ:AAPL", "1W", MIDNIGHT + 9e6, 9)] == [None, None]


def test_bars_that_keep_to_no_hours_still_add_up() -> None:
    rows = [[MIDNIGHT + 300 * n + 120, n, n + 1, n, n + 1, 1] for n in range(20)]
    given = market(rows)
    longer = given.history(BTC, "15", MIDNIGHT + 86_400, 10)
    assert sum(row.volume or 0 for row in longer) == 20
    series = given.series(BTC, "15", at=MIDNIGHT + 119, count=1)
    for tick in given.ticks(BTC, MIDNIGHT, MIDNIGHT + 86_400):
        series.add(tick)
    assert series.rows == longer


def test_months_end_with_the_calendar(tmp_path: Path) -> None:
    path = tmp_path / "months.csv"
    path.write_text("date,open,high,low,close\n" + "".join(f"2025-{month:02}-01,1,1,1,1\n" for month in range(1, 13)))
    rows = Market(sources={"*": BarMarket.read(path, "1M")}).history(BTC, "1M", 2e9, 99)
    assert [datetime.fromtimestamp(row.end, UTC).month for row in rows] == [*range(2, 13), 1]
    assert "months.csv" in repr(BarMarket.read(path))


def test_symbols_that_the_file_names_are_all_that_there_are(tmp_path: Path) -> None:
    path = tmp_path / "several.csv"
    path.write_text("symbol,time,open,high,low,close\n" + "".join(f"NYSE:IBM,{60 * n},1,1,1,1\n" for n in range(3)))
    given = Market(sources={"*": BarMarket.read(path)})
    assert (given.knows("NYSE:IBM"), given.knows("NYSE:GE")) == (True, False)


def test_tiny_and_huge_volumes_are_exact() -> None:
    rows = [[MIDNIGHT + 60 * n, 1, 1, 1, 1, volume] for n, volume in enumerate([1e-9, 123_456_789.125, 1e22, 0.1 + 0.2])]
    given = market(rows)
    series = given.series(BTC, "1", at=MIDNIGHT - 1, count=1)
    for tick in given.ticks(BTC, 0, MIDNIGHT + 600):
        series.add(tick)
    assert [row.volume for row in series.rows] == [row[5] for row in rows]
