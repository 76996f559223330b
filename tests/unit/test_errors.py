from __future__ import annotations

import inspect
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tvstreamer import errors
from tvstreamer.errors import (
    ConnectFailed,
    ContinuityError,
    FramingError,
    InvalidInterval,
    InvalidPlan,
    InvalidSource,
    InvalidSymbol,
    MissingDependencyError,
    SymbolError,
    TapeError,
    TapeFormatError,
    TapeMismatch,
    TransportClosed,
    TransportTimeout,
    TvError,
    VerificationFailed,
    shorten,
)
from tvstreamer.events import Gap


def test_a_short_value_is_shown_whole() -> None:
    assert shorten({"a": 1}) == "{'a': 1}"
    assert shorten("x" * 118) == "'" + "x" * 118 + "'"


def test_a_long_value_is_cut_in_the_middle_and_its_length_is_told() -> None:
    shown = shorten("begin" + "-" * 1000 + "end")
    assert shown == "'begin" + "-" * 54 + "..." + "-" * 56 + "end' (1010 characters)"


@given(st.text(), st.integers(2, 200))
def test_what_is_shown_of_a_value_never_grows_with_it(text: str, limit: int) -> None:
    assert len(shorten(text, limit)) <= limit + len("... (99999 characters)")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ConnectFailed("wss://example.org/", "refused"), "cannot connect to wss://example.org/: refused"),
        (TransportClosed(), "connection closed with code 1006"),
        (TransportClosed(1001, "going away"), "connection closed with code 1001: going away"),
        (FramingError("no header", 7), "broken framing at character 7: no header"),
        (FramingError("no header", 7, "~x~"), "broken framing at character 7: no header, near '~x~'"),
        (TapeFormatError("not JSON"), "not JSON"),
        (TapeFormatError("not JSON", line=3), "3: not JSON"),
        (TapeFormatError("no header", path="a.jsonl"), "a.jsonl: no header"),
        (TapeFormatError("not JSON", path="a.jsonl", line=3), "a.jsonl:3: not JSON"),
        (TapeMismatch("A:B 1 is not on the tape"), "A:B 1 is not on the tape"),
        (
            TapeMismatch("A:B 1 is not on the tape", nearest="A:B 5"),
            "A:B 1 is not on the tape; the nearest on the tape is A:B 5",
        ),
        (TapeMismatch("A:B 1 is not on the tape", diff="-5\n+1"), "A:B 1 is not on the tape\n-5\n+1"),
        (SymbolError("no such symbol"), "no such symbol"),
        (
            MissingDependencyError("typer", "cli"),
            "typer is not installed; it comes with: pip install 'tvstreamer[cli]'",
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, TvError) else "",
)
def test_the_text_of_an_error_is_built_from_what_it_carries(error: TvError, text: str) -> None:
    assert str(error) == text


def test_errors_carry_their_data() -> None:
    refused = ConnectFailed("wss://example.org/", "HTTP 403", status=403)
    assert (refused.url, refused.reason, refused.status) == ("wss://example.org/", "HTTP 403", 403)
    closed = TransportClosed(1001, "going away")
    assert (closed.code, closed.reason) == (1001, "going away")
    framing = FramingError("no header", 7, "~x~")
    assert (framing.problem, framing.offset, framing.near) == ("no header", 7, "~x~")
    unreadable = TapeFormatError("not JSON", path="a.jsonl", line=3)
    assert (unreadable.problem, unreadable.path, unreadable.line) == ("not JSON", "a.jsonl", 3)
    mismatch = TapeMismatch("no", nearest="A:B 5")
    assert (mismatch.problem, mismatch.nearest) == ("no", "A:B 5")
    assert SymbolError("no", reply="symbol_error").reply == "symbol_error"
    missing = MissingDependencyError("typer", "cli")
    assert (missing.package, missing.extra) == ("typer", "cli")


def test_every_error_is_a_tv_error() -> None:
    classes = [value for value in vars(errors).values() if inspect.isclass(value)]
    assert len(classes) > 20
    assert all(issubclass(value, TvError) for value in classes)


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (TransportTimeout, TimeoutError),
        (InvalidSymbol, ValueError),
        (InvalidInterval, ValueError),
        (InvalidSource, ValueError),
        (InvalidPlan, ValueError),
        (MissingDependencyError, ImportError),
    ],
)
def test_an_error_with_a_builtin_counterpart_is_caught_as_that(error: type[TvError], builtin: type[Exception]) -> None:
    assert issubclass(error, builtin)


@pytest.mark.parametrize(
    "error",
    [
        ConnectFailed("wss://example.org/", "HTTP 403", status=403),
        TransportClosed(1001, "going away"),
        FramingError("no header", 7, "~x~"),
        TapeFormatError("not JSON", path="a.jsonl", line=3),
        TapeError("plain"),
        SymbolError("no", reply="symbol_error"),
        MissingDependencyError("typer", "cli"),
        VerificationFailed("1 of command create_series", "2", ["an entry"]),
        VerificationFailed("1 of command create_series", "0", []),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_survives_the_way_to_another_process(error: TvError) -> None:
    arrived = pickle.loads(pickle.dumps(error))
    assert type(arrived) is type(error)
    assert (str(arrived), vars(arrived)) == (str(error), vars(error))


def test_a_gap_that_ends_the_stream_is_attached_to_its_error() -> None:
    gap = Gap("EX:SYM", "1", 60.0, 120.0, "disconnected", 0, 1)
    error = ContinuityError("EX:SYM 1: bars from 60 to 120 were missed", gap)
    assert error.gap is gap
    assert "from 60 to 120" in str(error)
