"""The shared market: the answers of any other market, each worked out once."""

from __future__ import annotations

import itertools

from tvstreamer.server.market import Market
from tvstreamer.server.market.shared import _ANSWERS, SharedMarket

NOW = 1_735_743_600.0
BTC = "BINANCE:BTCUSDT"


class Counting(Market):
    """Counts how often it was asked."""

    asked = 0

    def next_tick(self, *args: object, **options: object) -> object:  # type: ignore[override]
        self.asked += 1
        return super().next_tick(*args, **options)  # type: ignore[arg-type]


class SharedCounting(SharedMarket, Counting):
    pass


def test_it_answers_as_any_market_of_the_seed() -> None:
    plain, shared = Market(7), SharedMarket(7)
    for _ in range(2):
        assert shared.quote(BTC, NOW) == plain.quote(BTC, NOW)
        assert shared.quote(BTC, NOW, ["lp"]) == plain.quote(BTC, NOW, ["lp"])
        assert shared.ticks(BTC, NOW, NOW + 60) == plain.ticks(BTC, NOW, NOW + 60)
        assert shared.next_tick(BTC, NOW) == plain.next_tick(BTC, NOW)


def test_the_same_question_is_worked_out_once() -> None:
    market = SharedCounting(7)
    assert market.next_tick(BTC, NOW) is market.next_tick(BTC, NOW)
    assert market.asked == 1
    market.next_tick(BTC, NOW + 60)
    assert market.asked == 2


def test_what_is_answered_belongs_to_who_asked() -> None:
    market = SharedMarket(7)
    market.quote(BTC, NOW).clear()
    market.ticks(BTC, NOW, NOW + 60).clear()
    assert market.quote(BTC, NOW)
    assert market.ticks(BTC, NOW, NOW + 60)


def test_what_is_put_in_by_hand_counts_at_once() -> None:
    market = SharedMarket(7)
    market.next_tick(BTC, NOW)
    market.set_bars(BTC, "1", [[NOW, 1, 2, 0.5, 1.5]])
    assert market.next_tick(BTC, NOW) is None
    market.tick(BTC, 42.0, at=NOW + 1)
    assert market.quote(BTC, NOW + 1)["lp"] == 42.0
    market.tick(BTC, 43.0, at=NOW + 1)
    assert market.quote(BTC, NOW + 1)["lp"] == 43.0
    assert len(market.ticks(BTC, NOW, NOW + 1)) == 2
    market.close_bar(BTC, "1", NOW + 1)
    market.tick(BTC, 44.0, at=NOW + 1)
    assert len(market.ticks(BTC, NOW, NOW + 1)) == 3


def test_it_does_not_remember_without_end() -> None:
    market = SharedCounting(7)
    for moment in itertools.islice(itertools.count(NOW), _ANSWERS):
        market._once(moment, lambda: None)
    market.next_tick(BTC, NOW)
    assert len(market._answers) == 1


class Interrupted(Market):
    """A market into which something is put by hand while it works out an answer, as another thread may."""

    def next_tick(self, *args: object, **options: object) -> object:  # type: ignore[override]
        answer = super().next_tick(*args, **options)  # type: ignore[arg-type]
        if not self.is_by_hand(BTC):
            self.set_bars(BTC, "1", [[NOW, 1, 2, 0.5, 1.5]])
        return answer


class SharedInterrupted(SharedMarket, Interrupted):
    pass


def test_an_answer_of_the_time_before_is_not_remembered() -> None:
    market = SharedInterrupted(7)
    assert market.next_tick(BTC, NOW) is not None
    assert market.next_tick(BTC, NOW) is None
