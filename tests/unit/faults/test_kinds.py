"""The faults as values: how they are written, compared, shown and refused."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from tvstreamer import faults
from tvstreamer.errors import InvalidPlan
from tvstreamer.faults.kinds import KINDS, EachMessage, Fault, Once, rules

NEEDED: dict[str, dict[str, Any]] = {
    "latency": {"latency": 0.2},
    "bandwidth": {"rate": 56},
    "slicer": {"average_size": 10},
    "slow_reader": {"delay": 2},
    "clock_skew": {"offset": -3},
    "limit_data": {"bytes": 100},
    "slow_close": {"delay": 1},
}


def made(name: str, **values: Any) -> Fault:
    return KINDS[name](**NEEDED.get(name, {}) | values)


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_can_be_made_is_exported_and_is_described(name: str) -> None:
    fault = made(name)
    assert fault.kind == name
    assert getattr(faults, name) is KINDS[name]
    assert name in faults.__all__
    assert isinstance(fault, Once | EachMessage)
    assert (type(fault).__doc__ or "").strip().endswith((".", ":"))
    assert set(rules(type(fault))) == set(fault.__struct_fields__)
    assert fault.direction in fault.directions


@pytest.mark.parametrize("name", KINDS)
def test_what_is_shown_of_a_fault_is_python_that_makes_it(name: str) -> None:
    for fault in (made(name), made(name, connection=2), made(name, **({"at": 1} if "at" in KINDS[name].options() else {"times": 3}))):
        assert eval(repr(fault), {"faults": faults}) == fault


def test_a_fault_shows_only_what_differs_from_the_defaults() -> None:
    assert repr(faults.close(1000, after=10)) == "faults.close(after=10)"
    assert repr(faults.silence()) == "faults.silence()"
    assert repr(faults.latency(0.2, jitter=0.1, times=None, duration=3)) == "faults.latency(latency=0.2, jitter=0.1, duration=3)"
    assert repr(faults.wrong_length(-1, times=None)) == "faults.wrong_length(by=-1, times=None)"


def test_faults_are_values() -> None:
    assert faults.close() == faults.close(1000, reason="", times=1) != faults.close(1001)
    assert faults.silence(5) != faults.chatty_stall(5)
    assert len({faults.drop(after=1), faults.drop(after=1), faults.drop()}) == 2
    with pytest.raises(AttributeError):
        faults.close().code = 1001  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(faults.close(1001))) == faults.close(1001)


def test_faults_of_the_connection_fire_once_and_those_of_messages_without_limit() -> None:
    by_default = {name: made(name).times for name in KINDS}
    assert {name for name, times in by_default.items() if times is None} == {
        "latency", "bandwidth", "slicer", "slow_reader", "clock_skew", "drop", "duplicate", "reorder", "merge",
        "glue_heartbeat", "astral", "limit_data", "slow_close",
    }  # fmt: skip
    assert {times for times in by_default.values() if times is not None} == {1}


def test_a_symbol_is_kept_in_its_canonical_spelling() -> None:
    assert faults.drop(symbol=" binance:btcusdt").symbol == "BINANCE:BTCUSDT"


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: faults.close(999), r"close: code 999: expected 1000 to 1003"),
        (lambda: faults.close(reason="x" * 200), r"close: reason 'x+\.\.\.x+' \(202 characters\): expected text of at most 123"),
        (lambda: faults.silence(0), r"silence: duration 0: expected seconds, more than 0, or None"),
        (lambda: faults.drop(probability=2), r"drop: probability 2: expected a number above 0, up to 1"),
        (lambda: faults.drop(symbol="BTC"), r"drop: symbol 'BTC': expected EXCHANGE:TICKER"),
        (lambda: faults.drop(times=0), r"drop: times 0: expected a whole number from 1, or None"),
        (lambda: faults.drop(direction="up"), r"drop: direction 'up': expected 'downstream' or 'upstream'"),
        (lambda: faults.astral(direction="upstream"), r"astral: direction 'upstream': expected 'downstream'"),
        (lambda: faults.slow_reader(1, direction="downstream"), r"slow_reader: direction 'downstream': expected 'upstream'"),
        (lambda: faults.refuse(418), r"refuse: status 418: expected 403 or 429 or 503"),
        (lambda: faults.refuse(after=2), r"refuse: after: expected only status, retry_after, probability, connection, times"),
        (lambda: faults.limit_data(10, times=3), r"limit_data: times: expected only bytes, at, after"),
        (lambda: faults.latency("200ms"), r"latency: latency '200ms': expected seconds, 0 or more"),  # type: ignore[arg-type]
    ],
)
def test_a_value_out_of_range_is_named_with_what_was_expected(make: Any, problem: str) -> None:
    with pytest.raises(InvalidPlan, match=f"^{problem}"):
        make()
