"""Whether what a client asks for is what a tape holds, and what is said when it is not."""

from __future__ import annotations

import json

import msgspec
import pytest

from tvstreamer.errors import InvalidPlan, TapeMismatch
from tvstreamer.protocol import codec, framing
from tvstreamer.tape.format import Record
from tvstreamer.tape.player import index
from tvstreamer.testing.matching import Ask, Expectation, MatchedPlayback, Matchers, Questions, filtered, recorded_questions


def packet(method: str, *p: object) -> str:
    return json.dumps({"m": method, "p": p}, separators=(",", ":"))


def record(t: int, kind: str, *payloads: str) -> Record:
    return Record(t, 1, kind, p=[msgspec.Raw(payload.encode()) for payload in payloads])  # type: ignore[arg-type]


def series(symbol: str, resolution: str, *, number: int = 1, period: str = "", count: int = 10, session: str = "cs_1") -> list[str]:
    return [
        packet("resolve_symbol", session, f"a{number}", symbol),
        packet("create_series", session, f"x{number}", f"t{number}", f"a{number}", resolution, count, period),
    ]


def asks(*payloads: str) -> list[Ask]:
    return recorded_questions([record(1, "send", *payloads)], 1)


def expectation(*payloads: str, match_on: list[str] | None = None, match: str = "causal", **matchers: object) -> Expectation:
    chosen = Matchers(matchers).chosen(match_on or [])  # type: ignore[arg-type]
    return Expectation(asks(*payloads), chosen, match)


RECORDED = [*series("TEST:ONE", "1"), *series("TEST:ONE", "60", number=2), packet("quote_add_symbols", "qs_1", "TEST:ONE", "TEST:TWO")]


def test_questions_are_read_without_the_ids() -> None:
    study = packet("create_study", "cs_1", "st1", "st1", "x1", "RSI@tv-basicstudies-241", {"in_0": 14})
    found = asks('"~h~1"', *series("TEST:ONE", "1D", period="12M"), packet("request_more_data", "cs_1", "x1", 5), study, packet("set_locale", "en"))
    assert [(ask.kind, ask.symbol, ask.interval, ask.range) for ask in found] == [
        ("symbol", "TEST:ONE", "", ""),
        ("series", "TEST:ONE", "1D", "12M"),
        ("more", "TEST:ONE", "1D", ""),
        ("study", "TEST:ONE", "1D", ""),
    ]
    assert [ask.order for ask in found] == [0, 1, 2, 3]
    assert str(found[1]) == "create_series TEST:ONE 1D 12M 10"
    assert found[2].parameters == "5"
    assert found[3].parameters.startswith("RSI")


def test_a_series_may_be_modified_and_a_resolution_be_odd() -> None:
    (resolve, modify) = asks(packet("resolve_symbol", "rs_1", "a", '={"symbol":"TEST:ONE"}'), packet("modify_series", "rs_1", "x", "t", "a", "odd", ""))
    assert (resolve.session_kind, resolve.parameters) == ("replay", '{"symbol":"TEST:ONE"}')
    assert (modify.method, modify.interval, modify.parameters) == ("modify_series", "odd", "")


@pytest.mark.parametrize(
    ("match_on", "live", "wrong"),
    [
        ([], series("TEST:ONE", "5"), "interval"),
        ([], series("TEST:TWO", "1"), "symbol"),
        (["range"], series("TEST:ONE", "1", period="12M"), "range"),
        (["parameters"], series("TEST:ONE", "1", count=11), "parameters"),
        (["session_kind"], series("TEST:ONE", "1", session="rs_1"), "session_kind"),
        (["order"], [packet("quote_add_symbols", "qs_1", "TEST:TWO")], "order"),
        (["method"], [packet("resolve_symbol", "cs_1", "a1", "TEST:ONE"), packet("modify_series", "cs_1", "x", "t", "a1", "1", "")], "method"),
    ],
)
def test_each_condition_can_fail_alone(match_on: list[str], live: list[str], wrong: str) -> None:
    expected = expectation(*RECORDED, match_on=match_on)
    with pytest.raises(TapeMismatch, match=rf"is not on the tape \(differs in {wrong}\)"):
        for ask in asks(*live):
            expected.check(ask)


@pytest.mark.parametrize("match_on", [[], ["method", "session_kind", "range", "parameters", "order"]])
def test_the_same_questions_pass_and_may_be_asked_again(match_on: list[str]) -> None:
    expected = expectation(*RECORDED, match_on=match_on)
    for ask in asks(*RECORDED) * 2:
        expected.check(ask)


def test_the_error_shows_the_nearest_as_a_diff() -> None:
    with pytest.raises(TapeMismatch) as caught:
        expectation(*RECORDED).check(asks(*series("TEST:ONE", "15"))[1])
    assert caught.value.nearest.startswith("create_series TEST:ONE")
    assert "+interval: 15" in caught.value.diff.splitlines()
    assert " symbol: TEST:ONE" in caught.value.diff.splitlines()
    assert caught.value.diff in str(caught.value)


def test_the_error_tells_what_keeps_the_nearest_from_being_it() -> None:
    # The first recorded question is in the right place and about something else, the nearest one is at another place.
    expected = expectation(packet("quote_add_symbols", "qs_1", "TEST:ONE", "TEST:TWO"), match_on=["order"])
    with pytest.raises(TapeMismatch, match=r"\(differs in order\); the nearest on the tape is quote_add_symbols TEST:TWO") as caught:
        expected.check(asks(packet("quote_add_symbols", "qs_1", "TEST:TWO"))[0])
    assert caught.value.diff.splitlines()[-2:] == ["-order: 1", "+order: 0"]


def test_a_tape_on_which_nothing_was_asked_for_says_so() -> None:
    with pytest.raises(TapeMismatch, match="nothing was asked for on it"):
        expectation().check(asks(*RECORDED)[0])


def test_strict_wants_the_recorded_order_and_nothing_more() -> None:
    expected = expectation(*series("TEST:ONE", "1"), match="strict")
    first, second = asks(*series("TEST:ONE", "1"))
    with pytest.raises(TapeMismatch, match="another question is due"):
        expected.check(second)
    expected.check(first)
    expected.check(second)
    with pytest.raises(TapeMismatch, match="nothing more was asked for"):
        expected.check(first)


def test_a_matcher_of_ones_own_decides() -> None:
    few = Matchers({"few": lambda live, recorded: len(live.parameters) <= len(recorded.parameters)}).chosen(["few"])
    expected = Expectation(asks(*RECORDED), few, "causal")
    expected.check(asks(*series("TEST:ONE", "1", count=99))[1])
    with pytest.raises(TapeMismatch, match="differs in few"):
        expected.check(asks(*series("TEST:ONE", "1", count=100))[1])


def test_wrong_matchers_are_refused() -> None:
    with pytest.raises(InvalidPlan, match="match_on 'body': expected some of method, session_kind, symbol"):
        Matchers().chosen(["body"])
    with pytest.raises(InvalidPlan, match=r"match_on 'symbol': expected a list of names, as \['symbol'\]"):
        Matchers().chosen("symbol")
    with pytest.raises(InvalidPlan, match="matcher mine: 7: expected a function"):
        Matchers({"mine": 7})  # type: ignore[dict-item]


def played(*records: Record, lenient: bool = False, hook: object = None) -> MatchedPlayback:
    sends = [record(1, "send", *RECORDED)]
    expected = Expectation(recorded_questions(sends, 1), Matchers().chosen([]), "lenient" if lenient else "causal")
    return MatchedPlayback(1, iter(records), index(sends), expected, lenient=lenient, before_replay=hook)  # type: ignore[arg-type]


QSD = record(5, "recv", packet("qsd", "qs_1", {"n": "TEST:ONE", "s": "ok", "v": {}}))


def test_lenient_answers_what_it_can_and_remembers_the_rest() -> None:
    player = played(QSD, lenient=True)
    player.sent(framing.packet(packet("quote_add_symbols", "qs_L", "TEST:NONE", "TEST:ONE")))
    assert [ask.symbol for ask in player.unanswered] == ["TEST:NONE"]
    assert player.peek() is QSD
    assert player.take() == framing.packet(packet("qsd", "qs_L", {"n": "TEST:ONE", "s": "ok", "v": {}}))
    with pytest.raises(TapeMismatch):
        played().sent(framing.packet(packet("quote_add_symbols", "qs_L", "TEST:NONE", "TEST:ONE")))


def test_a_hook_changes_what_is_played() -> None:
    player = played(QSD, hook=lambda payload: payload.replace('"ok"', '"no"'))
    player.sent(framing.packet(packet("quote_add_symbols", "qs_1", "TEST:ONE")))
    player.peek()
    assert '"s":"no"' in (player.take() or "")


def test_a_hook_gets_payloads_but_heartbeats_and_may_drop_them() -> None:
    message = framing.join(["~h~1", '{"a":1}', '{"b":"\N{OK HAND SIGN}"}'])
    assert filtered(message, lambda payload: None if "a" in payload else payload) == framing.join(["~h~1", '{"b":"\N{OK HAND SIGN}"}'])
    assert filtered(framing.packet("{}"), lambda _: None) is None
    assert filtered("no frame", lambda _: None) == "no frame"


def test_a_command_that_asks_for_nothing_is_no_question() -> None:
    assert Questions().of(codec.decode_command(packet("set_locale", "en", "US"))) == []
