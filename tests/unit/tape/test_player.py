"""Playing one connection of a tape to a client with ids of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import msgspec
import pytest

from tvstreamer.errors import TapeExhausted, TapeMismatch
from tvstreamer.protocol import framing
from tvstreamer.tape.format import Record
from tvstreamer.tape.player import Offer, Playback, index


def packet(method: str, *p: object) -> str:
    return json.dumps({"m": method, "p": p}, separators=(",", ":"))


def record(t: int, kind: str, *payloads: str, c: int = 1) -> Record:
    return Record(t, c, kind, p=[msgspec.Raw(payload.encode()) for payload in payloads])  # type: ignore[arg-type]


SENDS = [
    record(1, "send", packet("resolve_symbol", "cs_1", "sym_1", "=" + json.dumps({"symbol": "TEST:ONE"})), packet("create_series", "cs_1", "sds_1", "s1", "sym_1", "1", 10, "")),
    record(2, "send", packet("resolve_symbol", "cs_2", "sym_2", "TEST:ONE"), packet("create_series", "cs_2", "sds_2", "s2", "sym_2", "5", 10, "")),
    record(3, "send", packet("quote_add_symbols", "qs_ticks_1", "TEST:ONE")),
    record(3, "send", packet("quote_add_symbols", "qs_quotes_2", "TEST:ONE")),
    record(4, "send", packet("create_series", "cs_9", "sds_9", "s9", "nowhere", "odd", 10, "")),
    record(5, "send", packet("quote_add_symbols", "qs_3", "TEST:TWO"), c=2),
]  # fmt: skip


def playback(*records: Record) -> Playback:
    return Playback(1, iter(records), index(SENDS))


def resolved(session: str, alias: str) -> str:
    return packet("symbol_resolved", session, alias, {"name": "ONE"})


def ask_series(player: Playback, number: str = "1", interval: str = "1", symbol: str = "TEST:ONE") -> None:
    ask = [packet("resolve_symbol", "cs_L", f"a{number}", symbol), packet("create_series", "cs_L", f"x{number}", f"t{number}", f"a{number}", interval, 300, "")]
    player.sent(framing.join(["~h~1", *ask]))


def test_the_index_tells_what_was_asked_for_in_order() -> None:
    offers = index(SENDS)
    assert [(offer.kind, offer.symbol, offer.interval) for offer in offers] == [
        ("symbol", "TEST:ONE", ""), ("series", "TEST:ONE", "1"), ("symbol", "TEST:ONE", ""), ("series", "TEST:ONE", "5"),
        ("quote", "TEST:ONE", ""), ("quote", "TEST:ONE", ""), ("series", "nowhere", "odd"), ("quote", "TEST:TWO", ""),
    ]  # fmt: skip
    assert str(offers[1]) == "TEST:ONE 1 (series, at 0.000 s of connection 1)"


def test_a_question_that_is_repeated_is_answered_as_it_was_recorded_or_not_at_all() -> None:
    asked = [packet("resolve_symbol", "cs_again_L", "a1", "TEST:ONE"), packet("create_series", "cs_again_L", "x1", "t1", "a1", "1", 300, "")]
    left_at_that = playback(record(5, "recv", resolved("cs_1", "sym_1")))
    left_at_that.sent(framing.join(asked))
    assert len(left_at_that.untaken) == len(index(SENDS)) - 1, "that of another connection apart, all are for those who ask first"
    repeated = [record(4, "send", packet("resolve_symbol", "cs_again_1", "sym_1", "TEST:ONE"), packet("create_series", "cs_again_1", "sds_1", "s1", "sym_1", "1", 10, ""))]
    player = Playback(1, iter([record(5, "recv", resolved("cs_again_1", "sym_1"))]), index([*SENDS, *repeated]))
    player.sent(framing.join(asked))
    player.peek()
    assert player.take() == framing.packet(resolved("cs_again_L", "a1"))
    with pytest.raises(TapeMismatch, match="TEST:NONE is not on the tape"):
        player.sent(packet_of("resolve_symbol", "cs_again_L", "a2", "TEST:NONE"))


def quote(session: str, price: float) -> str:
    return packet("qsd", session, {"n": "TEST:TWO", "s": "ok", "v": {"lp": price}})


def quoted(*more: Record) -> tuple[Playback, Callable[[str], None]]:
    """A playback of quotes that are late, and what has the live client ask for them."""
    sends = [record(1, "send", packet("quote_add_symbols", "qs_1", "TEST:TWO")), *more]
    player = Playback(1, iter([record(30, "recv", '"~h~1"'), record(50, "recv", quote("qs_1", 1.5))]), index(sends))
    player.sent(packet_of("quote_add_symbols", "qs_L", "TEST:TWO"))
    player.peek()
    assert player.take() == framing.packet("~h~1")
    return player, lambda method: player.sent(packet_of(method, "qs_L", "TEST:TWO"))


@pytest.mark.parametrize("was_asked_again", [True, False])
def test_quotes_asked_for_again_come_as_they_did_whether_or_not_the_recorded_client_did_so(was_asked_again: bool) -> None:
    again = record(30, "send", packet("quote_remove_symbols", "qs_1", "TEST:TWO"), packet("quote_add_symbols", "qs_1", "TEST:TWO"))
    player, ask = quoted(*[again] * was_asked_again)
    ask("quote_remove_symbols")
    ask("quote_add_symbols")
    assert player.untaken == []
    player.peek()
    assert player.take() == framing.packet(quote("qs_L", 1.5))
    ask("quote_remove_symbols")
    with pytest.raises(TapeMismatch, match="TEST:TWO was asked for too late"):
        ask("quote_add_symbols")


def packet_of(method: str, *p: object) -> str:
    return framing.packet(packet(method, *p))


def test_what_nothing_answers_is_not_in_the_index() -> None:
    assert index([record(1, "send", '"~h~1"', packet("set_locale", "en", "US"), packet("quote_add_symbols", "qs_1"), packet("dance"))]) == []


def test_replies_come_with_the_ids_of_who_asks_and_others_not_at_all() -> None:
    player = playback(
        record(5, "recv", resolved("cs_1", "sym_1"), resolved("cs_2", "sym_2")),
        record(6, "recv", resolved("cs_2", "sym_2")),
        record(7, "note"),
        record(8, "recv", '"~h~1"'),
        record(9, "close"),
    )
    assert [str(offer) for offer in player.untaken][:2] == [str(offer) for offer in index(SENDS)[:2]]
    ask_series(player)
    assert player.first_ask == 1
    assert index(SENDS)[1] not in player.untaken
    first = player.peek()
    assert first is not None
    assert player.take() == framing.packet(resolved("cs_L", "a1"))
    assert player.position == first.t
    player.peek()
    assert player.take() is None
    player.peek()
    assert player.take() == framing.packet("~h~1")
    last = player.peek()
    assert last is not None
    assert last.k == "close"


def test_two_series_of_one_symbol_are_each_told_of_it_once() -> None:
    player = playback(record(5, "recv", resolved("cs_1", "sym_1"), resolved("cs_2", "sym_2")))
    ask_series(player, "1", "1")
    ask_series(player, "2", "5")
    player.peek()
    assert player.take() == framing.join([resolved("cs_L", "a1"), resolved("cs_L", "a2")])


def test_a_symbol_asked_for_again_at_the_same_moment_gets_the_answer_that_came_then() -> None:
    # On a virtual clock everything of a burst has one stamp, so times do not tell what was answered already.
    asked = [packet("resolve_symbol", "cs_1", f"sym_{number}", "TEST:ONE") for number in (1, 2)]
    answers = [record(1, "recv", resolved("cs_1", f"sym_{number}")) for number in (1, 2)]
    player = Playback(1, iter(answers), index([record(1, "send", each) for each in asked]))
    for number in (1, 2):
        player.sent(framing.packet(packet("resolve_symbol", "cs_L", f"a{number}", "TEST:ONE")))
        player.peek()
        assert player.take() == framing.packet(resolved("cs_L", f"a{number}"))


def test_a_symbol_asked_for_alone_is_free_again_once_its_series_has_one_of_its_own() -> None:
    player = playback(record(5, "recv", resolved("cs_1", "sym_1"), resolved("cs_2", "sym_2")))
    ask_series(player, "1", "5")
    player.sent(framing.packet(packet("resolve_symbol", "cs_L", "alone", "TEST:ONE")))
    player.peek()
    assert player.take() == framing.join([resolved("cs_L", "alone"), resolved("cs_L", "a1")])


def test_quotes_go_by_the_purpose_of_their_session() -> None:
    quote = [packet("qsd", session, {"n": "TEST:ONE", "s": "ok", "v": {"lp": 1}}) for session in ("qs_ticks_1", "qs_quotes_2")]
    player = playback(record(5, "recv", *quote))
    player.sent(framing.packet(packet("quote_add_symbols", "qs_quotes_L", "TEST:ONE")))
    assert player.follows("qs_quotes_L", "TEST:ONE")
    assert not player.follows("qs_quotes_L", "TEST:TWO")
    player.peek()
    text = player.take()
    assert text is not None
    assert framing.split(text) == [quote[1].replace("qs_quotes_2", "qs_quotes_L")]


@pytest.mark.parametrize(
    "end",
    [packet("remove_series", "cs_L", "x1"), packet("chart_delete_session", "cs_L")],
)
def test_nothing_more_comes_for_a_series_that_was_ended(end: str) -> None:
    player = playback(record(9, "recv", packet("du", "cs_1", {"sds_1": {"s": []}})))
    ask_series(player)
    player.sent(framing.packet(end))
    player.peek()
    assert player.take() is None


@pytest.mark.parametrize("end", [packet("quote_remove_symbols", "qs_L", "TEST:ONE"), packet("quote_delete_session", "qs_L")])
def test_nothing_more_comes_for_a_quote_that_was_ended(end: str) -> None:
    player = playback(record(9, "recv", packet("qsd", "qs_ticks_1", {"n": "TEST:ONE", "s": "ok", "v": {}})))
    player.sent(framing.packet(packet("quote_add_symbols", "qs_L", "TEST:ONE")))
    player.sent(framing.packet(end))
    player.peek()
    assert player.take() is None


def test_what_is_not_on_the_tape_is_a_mismatch_with_the_nearest() -> None:
    with pytest.raises(TapeMismatch, match="TEST:ONE 15 is not on the tape") as told:
        ask_series(playback(), interval="15")
    assert told.value.nearest.startswith("TEST:ONE ")
    with pytest.raises(TapeMismatch) as told:
        Playback(1, iter(()), []).sent(framing.packet(packet("quote_add_symbols", "qs", "A:B")))
    assert told.value.nearest == ""


def test_what_was_played_past_is_asked_for_too_late() -> None:
    player = playback(record(50, "recv", resolved("cs_1", "sym_1")))
    player.peek()
    player.take()
    with pytest.raises(TapeMismatch, match="too late"):
        ask_series(player)


def test_a_series_whose_symbol_was_played_past_keeps_the_answer_that_is_still_to_come() -> None:
    offers = [
        Offer("symbol", 1, 1, "TEST:ONE", "", "cs_1", "sym_1", "sym_1"),
        Offer("symbol", 1, 9, "TEST:ONE", "", "cs_2", "sym_2", "sym_2"),
        Offer("series", 1, 9, "TEST:ONE", "1", "cs_1", "sds_1", "sym_1"),
    ]
    player = Playback(1, iter([record(5, "recv"), record(10, "recv", resolved("cs_2", "sym_2"))]), offers)
    player.peek()
    assert player.take() == ""
    ask_series(player)
    player.peek()
    assert player.take() == framing.packet(resolved("cs_L", "a1"))


@pytest.mark.parametrize("command", [packet("request_more_data", "cs_L", "x1", 100), packet("dance", 1), "nonsense"])
def test_commands_that_no_tape_can_answer_are_mismatches(command: str) -> None:
    with pytest.raises(TapeMismatch):
        playback().sent(framing.packet(command))


def study(session: str, name: str, parent: str, length: int) -> str:
    return packet("create_study", session, name, f"u{name}", parent, "RSI@tv-basicstudies-241", {"in_0": length})


def with_studies(*records: Record) -> Playback:
    sends = [*SENDS, record(5, "send", study("cs_1", "st1", "sds_1", 14), study("cs_1", "st2", "sds_1", 7)), record(5, "send", study("cs_8", "st3", "sds_8", 14))]
    return Playback(1, iter(records), index(sends))


def test_studies_are_in_the_index_with_their_series() -> None:
    offers = index([SENDS[0], record(5, "send", study("cs_1", "st1", "sds_1", 14), study("cs_8", "st3", "sds_8", 14))])
    assert [(offer.symbol, offer.interval, offer.study) for offer in offers if offer.kind == "study"] == [
        ("TEST:ONE", "1", "RSI:14"), ("", "", "RSI:14"),
    ]  # fmt: skip
    assert str(offers[2]) == "TEST:ONE 1 RSI:14 (study, at 0.000 s of connection 1)"


def test_a_study_comes_with_the_ids_of_who_asks_for_the_same_inputs() -> None:
    points = {"st": [], "ns": {}, "t": "s1_ust2"}
    player = with_studies(record(7, "recv", packet("study_loading", "cs_1", "st1", "s1_ust1"), packet("du", "cs_1", {"st2": points})))
    ask_series(player)
    player.sent(framing.packet(study("cs_L", "mine", "x1", 7)))
    player.peek()
    assert player.take() == framing.packet(packet("du", "cs_L", {"mine": {**points, "t": "t1_umine"}}))
    player.sent(framing.packet(packet("remove_study", "cs_L", "mine")))


@pytest.mark.parametrize(
    ("asked", "words", "nearest"),
    [
        (study("cs_L", "mine", "x1", 15), "study RSI:15 of TEST:ONE 1 is not on the tape", "TEST:ONE 1 RSI:14"),
        (study("cs_L", "mine", "x2", 14), "study RSI:14 of a series that is not played is not on the tape", ""),
        (packet("modify_study", "cs_L", "mine", "u1", {"in_0": 3}), "modify_study: a tape holds the values of the inputs", ""),
    ],
)
def test_a_study_that_is_not_on_the_tape_is_a_mismatch(asked: str, words: str, nearest: str) -> None:
    player = with_studies()
    ask_series(player)
    with pytest.raises(TapeMismatch) as told:
        player.sent(framing.packet(asked))
    assert words in str(told.value)
    assert told.value.nearest.startswith(nearest)


def test_a_study_is_played_once_and_not_when_it_is_over() -> None:
    player = with_studies(record(9, "recv", resolved("cs_1", "sym_1")))
    ask_series(player)
    player.sent(framing.packet(study("cs_L", "mine", "x1", 7)))
    with pytest.raises(TapeMismatch, match="or has been played"):
        player.sent(framing.packet(study("cs_L", "other", "x1", 7)))
    player.peek()
    player.take()
    with pytest.raises(TapeMismatch, match="or has been played"):
        player.sent(framing.packet(study("cs_L", "other", "x1", 14)))


def test_older_bars_can_be_asked_for_as_often_as_the_recorded_client_did() -> None:
    more = packet("request_more_data", "cs_1", "sds_1", 100)
    older = packet("timescale_update", "cs_1", {"sds_1": {"s": [], "t": "s1"}})
    sends = [*SENDS, record(6, "send", more), record(6, "send", packet("request_more_data", "cs_8", "sds_8", 1))]
    player = Playback(1, iter([record(7, "recv", older), record(8, "recv", older)]), index(sends))
    ask_series(player, "1")
    ask_series(player, "2", "5")
    player.sent(framing.packet(packet("request_more_data", "cs_L", "x1", 7)))
    player.peek()
    assert player.take() == framing.packet(packet("timescale_update", "cs_L", {"x1": {"s": [], "t": "t1"}}))
    for series in ("x1", "x2", "nobody"):
        with pytest.raises(TapeMismatch, match="no more bars than were recorded"):
            player.sent(framing.packet(packet("request_more_data", "cs_L", series, 7)))


def test_older_bars_that_were_played_past_are_asked_for_too_late() -> None:
    more = packet("request_more_data", "cs_1", "sds_1", 100)
    player = Playback(1, iter([record(7, "recv", resolved("cs_1", "sym_1"))]), index([*SENDS, record(6, "send", more)]))
    ask_series(player)
    player.peek()
    player.take()
    with pytest.raises(TapeMismatch, match="no more bars than were recorded"):
        player.sent(framing.packet(packet("request_more_data", "cs_L", "x1", 7)))


def test_series_go_by_the_purpose_of_their_session_if_one_is_alike() -> None:
    sends = [
        record(number, "send", packet("create_series", f"cs_{purpose}_{number}", "sds", "s1", "TEST:ONE", "1", 10, ""))
        for number, purpose in enumerate(("history", "backfill"))
    ]
    player = Playback(1, iter([record(2, "recv", packet("series_loading", "cs_backfill_1", "sds", "s1"))]), index(sends))
    player.sent(framing.packet(packet("create_series", "cs_backfill_L", "x1", "t1", "TEST:ONE", "1", 10, "")))
    player.peek()
    assert player.take() == framing.packet(packet("series_loading", "cs_backfill_L", "x1", "t1"))


def test_what_is_no_packet_is_a_mismatch_too() -> None:
    with pytest.raises(TapeMismatch, match="whole packets only.*character 0"):
        playback().sent("garbage")


def test_commands_that_nothing_answers_are_taken() -> None:
    playback().sent(framing.packet(packet("set_locale", "en", "US")))


def test_messages_without_packets_come_as_they_are_and_oddly_framed_ones_with_new_ids() -> None:
    player = playback(
        Record(5, 1, "recv", raw="garbage"), Record(6, 1, "recv", raw=f"~m~0{len(resolved('cs_1', 'sym_1'))}~m~{resolved('cs_1', 'sym_1')}")
    )
    ask_series(player)
    player.peek()
    assert player.take() == "garbage"
    player.peek()
    assert player.take() == framing.packet(resolved("cs_L", "a1"))


def test_taking_beyond_the_end_says_so() -> None:
    player = playback()
    assert player.peek() is None
    assert player.peek() is None
    with pytest.raises(TapeExhausted):
        player.take()
    assert repr(player) == "<Playback of connection 1, 0 of 7 offers taken>"


def test_whoever_leaves_early_lets_go_of_the_records() -> None:
    ended = []

    def records() -> Iterator[Record]:
        try:
            yield Record(0, 1, "recv", raw="x")
            yield Record(1, 1, "recv", raw="y")
        finally:
            ended.append(True)

    playback = Playback(1, records(), [])
    assert playback.peek() is not None
    playback.close()
    assert ended == [True]
    Playback(1, iter([]), []).close()
