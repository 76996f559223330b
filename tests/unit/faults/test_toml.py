"""Plans in files."""

from __future__ import annotations

from pathlib import Path

import pytest

from tvstreamer import faults
from tvstreamer.errors import InvalidPlan
from tvstreamer.faults import FaultPlan, load_plan, parse_plan
from tvstreamer.faults.toml import parse_duration, plan_of, read_plan

TEXT = """\
seed = 7

[[fault]]
kind = "close"
after = 10
code = 1006

[[fault]]
kind = "latency"
latency = "200ms"
jitter = 0.1
at = "1h30m"
duration = "5m"

[[fault]]
kind = "wrong_length"
times = "unlimited"
symbol = "BINANCE:BTCUSDT"

[[fault]]
kind = "clock_skew"
offset = "-2s"
"""
PLAN = FaultPlan(
    [
        faults.close(1006, after=10),
        faults.latency(0.2, 0.1, at=5400.0, duration=300.0),
        faults.wrong_length(times=None, symbol="BINANCE:BTCUSDT"),
        faults.clock_skew(-2.0),
    ],
    seed=7,
)


def test_a_file_is_a_seed_and_tables() -> None:
    assert parse_plan(TEXT) == PLAN
    assert parse_plan("") == FaultPlan()


def test_what_is_written_is_short_and_reads_back() -> None:
    assert parse_plan(PLAN.to_toml()) == PLAN
    assert FaultPlan([faults.unknown_packet("a\n\"b\"\\\x7f\N{GRINNING FACE}", times=None)]).to_toml() == (
        'seed = 0\n\n[[fault]]\nkind = "unknown_packet"\nname = "a\\u000a\\u0022b\\u0022\\u005c\\u007f\N{GRINNING FACE}"\n'
        'times = "unlimited"\n'
    )


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("700ms", 0.7), ("2s", 2.0), ("5m", 300.0), ("6h", 21_600.0), ("1d", 86_400.0), ("1h30m", 5400.0), ("-1.5s", -1.5)],
)
def test_a_length_of_time_is_read_in_units(text: str, seconds: float) -> None:
    assert parse_duration(text, "x") == seconds


@pytest.mark.parametrize("text", ["", "5", "s", "5 s", "5x", "1,5s", "s5", "5s-", "--5s", "1e3s", "\u0665s"])
def test_what_is_no_length_of_time_is_named(text: str) -> None:
    with pytest.raises(InvalidPlan, match="^latency: jitter .*expected seconds, or a text such as"):
        parse_duration(text, "latency: jitter")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("seed = ", "^not TOML: "),
        ("seed = 'x'", "^seed 'x': expected a whole number"),
        ("seeds = 1", "^a plan: key 'seeds': expected 'seed', or one of seed, fault"),
        ("fault = 3", r"^fault 3: expected tables, each under \[\[fault\]\]"),
        ("fault = [3]", r"^fault \[3\]: expected tables"),
        ("[fault]\nkind = 'close'", r"^fault \{'kind': 'close'\}: expected tables"),
        ("[[fault]]\nafter = 1", "^fault 1: kind None: expected one of silence, "),
        ("[[fault]]\nkind = 3", "^fault 1: kind 3: expected one of silence, "),
        ("[[fault]]\nkind = 'drop'\n[[fault]]\nkind = 'clos'", "^fault 2: kind 'clos': expected 'close', or one of silence, "),
        ("[[fault]]\nkind = 'close'\ncod = 1", "^fault 1: close: key 'cod': expected 'code', or one of code, reason, at, "),
        ("[[fault]]\nkind = 'close'\nq = 1", "^fault 1: close: key 'q': expected one of code, reason, at, "),
        ("[[fault]]\nkind = 'limit_data'\ntimes = 1", "^fault 1: limit_data: key 'times': expected "),
        ("[[fault]]\nkind = 'latency'\njitter = 1", "^fault 1: latency: expected latency too"),
        ("[[fault]]\nkind = 'close'\ncode = 99", "^fault 1: close: code 99: expected 1000 to"),
        ("[[fault]]\nkind = 'close'\nat = 'soon'", "^fault 1: close: at 'soon': expected seconds, or a text such as '500ms'"),
        ("[[fault]]\nkind = 'close'\ntimes = 'ever'", "^fault 1: close: times 'ever': expected a whole number"),
        ("a=" + "[" * 5000, "^not TOML: "),
    ],
)
def test_what_is_wrong_is_named_with_its_place_and_what_was_expected(text: str, problem: str) -> None:
    with pytest.raises(InvalidPlan, match=problem):
        parse_plan(text)


def test_a_plan_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(TEXT, encoding="utf-8")
    assert load_plan(path) == load_plan(str(path)) == PLAN


def test_a_plan_is_one_or_in_a_file_or_empty(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(TEXT, encoding="utf-8")
    assert [plan_of(each) for each in (PLAN, path, str(path), None)] == [PLAN, PLAN, PLAN, FaultPlan()]
    with pytest.raises(InvalidPlan, match=r"faults \[.*: expected a FaultPlan, or the path of one"):
        plan_of(list(PLAN))  # type: ignore[arg-type]


def test_a_file_that_holds_no_plan_is_named(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    with pytest.raises(InvalidPlan, match=r"plan\.toml: No such file or directory: expected a plan of faults"):
        load_plan(path)
    path.write_bytes(b"\xff")
    with pytest.raises(InvalidPlan, match=r"plan\.toml: .*can't decode byte 0xff.*: expected a plan of faults"):
        load_plan(path)
    path.write_text("[[fault]]\nkind = 'x'")
    with pytest.raises(InvalidPlan, match=r"plan\.toml: fault 1: kind 'x': expected"):
        load_plan(path)


def test_a_file_that_is_too_long_for_a_plan_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text("#" * 1_000_000, encoding="utf-8")
    assert load_plan(path) == FaultPlan()
    path.write_text("#" * 1_000_001, encoding="utf-8")
    with pytest.raises(InvalidPlan, match=r"plan\.toml: expected a plan of faults, of no more than 1,000,000 characters"):
        load_plan(path)


def test_a_plan_may_come_as_the_tables_of_another_notation() -> None:
    assert read_plan({"seed": 7, "fault": [{"kind": "close", "after": 10}]}) == FaultPlan([faults.close(after=10)], 7)
    with pytest.raises(InvalidPlan, match="expected one of seed, fault"):
        read_plan({"colour": "red"})
