"""Putting a client through the scenarios."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from tvstreamer.clock import SystemClock
from tvstreamer.errors import InvalidPlan
from tvstreamer.testing.scorecard.card import Result, Scorecard
from tvstreamer.testing.scorecard.clients import Client
from tvstreamer.testing.scorecard.scenarios import SCENARIOS
from tvstreamer.testing.scorecard.stage import Failed, NotJudged, Scenario, on_stage

_MUTE = "it prints no bars as lines of JSON"


def score_client(
    client: Client,
    *,
    scenarios: Sequence[Scenario] = SCENARIOS,
    limit: float = 15.0,
    jobs: int = 4,
    report: Callable[[Result], object] = lambda result: None,
) -> Scorecard:
    """Lets a client play all scenarios, several at a time, each with a server of its own on loopback.

    `limit` is how many seconds it has for each thing that is expected of it, and four times that to notice a stall. `report` is
    told each result as it comes. Raises `InvalidPlan` for a client that cannot be started.
    """
    if not limit > 0 or jobs < 1:
        raise InvalidPlan(f"limit {limit!r}, jobs {jobs!r}: expected seconds above 0, and 1 job or more")
    over = threading.Event()
    mute = False

    def play(scenario: Scenario) -> Result:
        result = _skipped(scenario) if mute and scenario.sees else _play(client, scenario, limit, mute, over)
        report(result)
        return result

    # All of it in threads, as an interrupt of this one could come after a client was started and before anybody knew of it.
    pool = ThreadPoolExecutor(jobs)
    try:
        # Whether it prints bars at all is found out once, or each scenario would wait for them in vain.
        mute = not pool.submit(_prints, client, limit, over).result()
        return Scorecard(str(client), tuple(pool.map(play, scenarios)))
    finally:
        over.set()
        pool.shutdown(cancel_futures=True)


def _prints(client: Client, limit: float, over: threading.Event) -> bool:
    with on_stage(client, limit, over=over) as stage:
        stage.open()
        try:
            stage.until(stage.told, "a bar")
        except Failed:
            return False
        return True


def _skipped(scenario: Scenario) -> Result:
    return Result(scenario.name, scenario.title, "skipped", _MUTE)


def _play(client: Client, scenario: Scenario, limit: float, mute: bool, over: threading.Event) -> Result:
    clock = SystemClock()
    begin = clock.now()
    verdict, reason = "passed", ""
    with on_stage(client, limit * scenario.patience, mute=mute, over=over) as stage:
        try:
            scenario.play(stage)
        except Failed as failure:
            verdict, reason = "failed", str(failure)
        except NotJudged as excuse:
            verdict, reason = "skipped", str(excuse)
    return Result(scenario.name, scenario.title, verdict, reason, round(clock.now() - begin, 3))  # type: ignore[arg-type]
