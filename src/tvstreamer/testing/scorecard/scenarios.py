"""The scenarios: what happens to clients of this feed, and what a good one does about it.

Those that are judged by what the client prints have `sees`; all others by what it does to the server alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sized
from typing import Final

from tvstreamer import faults
from tvstreamer.faults import Fault
from tvstreamer.testing.scorecard.stage import NotJudged, Scenario, Stage

UNKNOWN: Final = "XXXX:NOPE"
_BEAT: Final = 0.2
_UNECHOED: Final = 2.5
"""Seconds after which the server drops a client that does not echo, where that is what is tried."""


# --- asking -----------------------------------------------------------------------------------------------------------


def _subscribes(stage: Stage) -> None:
    stage.open()
    stage.subscribed()
    entry = stage.series()[0]
    stage.expect(entry.interval == "1", f"expected the interval 1, the client asked for {entry.interval}")


def _correct_on_the_wire(stage: Stage) -> None:
    """The lenient server notes what the real one would not take; a note without a method is about framing."""
    stage.stream()
    stage.trade(104.5)
    stage.wait()
    wrong = [*stage.entries("rejected"), *stage.entries("tolerated", "")]
    stage.expect(not wrong, f"the real server would not take this: {', '.join(map(str, wrong[:3]))}")


def _strict_server(stage: Stage) -> None:
    stage.stream(strict=True)


def _tells_history(stage: Stage) -> None:
    stage.open(bars=20, asked=20)
    stage.subscribed()
    stage.tells_all("of the history")
    stage.told_in_order()


def _pages_of_history(stage: Stage) -> None:
    stage.open(bars=20, asked=20, most_bars=8)
    stage.subscribed()
    if not stage.takes("bars"):
        raise NotJudged("it cannot be told how many bars to ask for")

    def says_how_many() -> bool:
        return any(line.values.get("bars") == 8 for line in stage.told("history_complete"))

    stage.until(lambda: says_how_many() or stage.has_told_all(), "all 20 bars, or a word that there are only 8 of them")
    stage.told_in_order()


# --- data -------------------------------------------------------------------------------------------------------------


def _tells_updates(stage: Stage) -> None:
    stage.stream()
    for price in (104.5, 105.25, 103.75):
        stage.trade(price)
        stage.tells_all("while it forms")


def _tells_new_bars(stage: Stage) -> None:
    stage.stream()
    for price in (110.0, 111.0, 112.0):
        stage.new_bar(price)
        stage.tells_all("when it began")
    stage.told_in_order()


def _bars_without_volume(stage: Stage) -> None:
    stage.open(volume=False)
    stage.subscribed()
    stage.new_bar(110.0)
    stage.tells_all("which has no volume")


def _several_packets(stage: Stage) -> None:
    stage.stream(faults.merge(4, wait=0.3, after=1))
    for price in (110.0, 111.0, 112.0):
        stage.new_bar(price)
        stage.trade(price + 0.5)
    stage.tells_all("from messages of several packets")
    stage.told_in_order()


def _small_slices(stage: Stage) -> None:
    stage.stream(faults.slicer(40, size_variation=20, delay=0.001))
    stage.new_bar(110.0)
    stage.tells_all("although bytes came in small slices")


def _utf16_lengths(stage: Stage) -> None:
    """The bars of the history come behind characters that count two: whoever counts code points cuts them wrong."""
    stage.open(faults.astral())
    stage.subscribed()
    stage.tells_all("which stands behind characters beyond U+FFFF")


def _unknown_packet(stage: Stage) -> None:
    stage.stream()
    stage.plan(faults.unknown_packet())
    stage.wait(0.1)
    stage.new_bar(110.0)
    stage.sees_or_stays("after a packet of a kind that nobody knows")


def _duplicates(stage: Stage) -> None:
    stage.stream(faults.duplicate(method="timescale_update"))
    for price in (110.0, 111.0):
        stage.new_bar(price)
    stage.tells_all("although messages came twice")
    stage.told_in_order()


def _revised_bar(stage: Stage) -> None:
    """The feed corrects a bar after its successor has come: whoever only looks at the last bar keeps the wrong values."""
    stage.stream()
    stage.plan(faults.revise_bar(change=0.5))
    stage.trade(104.5)
    old = max(stage.truth)
    stage.new_bar(110.0)
    stage.truth[old][3] *= 1.5
    stage.until(
        lambda: any(line.time == old and line.values.get("close") == stage.truth[old][3] for line in stage.told()),
        f"the corrected bar of {old:.0f} with a close of {stage.truth[old][3]:g} to be told",
    )


def _missing_bar(stage: Stage) -> None:
    """The feed goes on as if it had shown a bar that it never showed."""
    stage.stream()
    stage.plan(faults.missing_bar())
    stage.trade(104.5)
    hidden = stage.new_bar(110.0)
    stage.new_bar(111.0)
    stage.new_bar(112.0)
    _told_or_excepted(stage, [hidden], "which the feed left out")


# --- heartbeats -------------------------------------------------------------------------------------------------------


def _echoes(what: str, *plan: Fault) -> Callable[[Stage], None]:
    """For longer than an echo may take, the client stays, and hears what is traded."""

    def play(stage: Stage) -> None:
        stage.stream(*plan, heartbeats=_BEAT, heartbeat_timeout=_UNECHOED)
        price = 104.0
        for _ in range(int(_UNECHOED * 1.5 / _BEAT)):
            price += 0.25
            stage.trade(price)
            stage.wait(_BEAT)
            unechoed = any("no echo" in entry.detail for entry in stage.entries("closed"))
            stage.expect(not unechoed, f"{what}: the server waited {_UNECHOED:g} s for an echo, then hung up")
        stage.sees_or_stays("meanwhile")

    return play


_echoes_heartbeats = _echoes("heartbeats are echoed")
_heartbeat_before_data = _echoes("a heartbeat in front of data is echoed", faults.glue_heartbeat(position="first"))
_heartbeat_behind_data = _echoes("a heartbeat behind data is echoed", faults.glue_heartbeat(position="last"))
_heartbeats_together = _echoes("each heartbeat of a message is echoed", faults.merge(3, wait=0.7, method="heartbeat"))


# --- errors -----------------------------------------------------------------------------------------------------------


def _unknown_symbol(stage: Stage) -> None:
    if not stage.takes("symbol"):
        raise NotJudged("it cannot be told which symbol to ask for")
    stage.open(symbol=UNKNOWN)
    stage.complains("a symbol that does not exist")


def _bad_token(stage: Stage) -> None:
    """Asking again and again with the same token is what gets an address blocked."""
    stage.open(faults.token_expired(at=0.1, times=None), token="expired")  # noqa: S106 - it is none
    stage.until(stage.connections, "a connection", alive=False)
    stage.complains("a token that is refused")
    _holds_back(stage, stage.connections, most=4, where="with a token that was refused")


def _critical_error(stage: Stage) -> None:
    """It is about one call; the connection goes on."""
    stage.stream()
    stage.plan(faults.critical_error(session="cs_of_nobody"))
    stage.wait(0.1)
    stage.new_bar(110.0)
    stage.sees_or_stays("after an error that was about something else")


def _protocol_error(stage: Stage) -> None:
    stage.stream()
    stage.plan(faults.protocol_error(connection=1))
    _comes_back_or_says_so(stage, "a fatal error of the server")


# --- the connection ---------------------------------------------------------------------------------------------------


def _comes_back(fault: Fault) -> Callable[[Stage], None]:
    def play(stage: Stage) -> None:
        stage.stream()
        stage.plan(fault)
        stage.reconnects()

    return play


_reconnects_after_close = _comes_back(faults.close(1000, connection=1))
_reconnects_after_reset = _comes_back(faults.reset_peer(connection=1))
_silence = _comes_back(faults.silence(connection=1))
# Heartbeats go on, data does not, although the market is open around the clock.
_chatty_stall = _comes_back(faults.chatty_stall(connection=1))


def _reset_in_a_message(stage: Stage) -> None:
    stage.open(faults.reset_mid_frame(method="timescale_update", connection=1))
    stage.until(lambda: stage.series(2), "a new connection that asks for bars again")
    stage.sees_or_stays("after a message that was cut off")


def _no_duplicates(stage: Stage) -> None:
    stage.stream(bars=8, asked=8)
    stage.plan(faults.close(1001, connection=1))
    stage.reconnects()
    stage.new_bar(110.0)
    stage.tells_all("after the new connection")
    stage.wait()
    stage.told_in_order()


def _fills_the_outage(stage: Stage) -> None:
    stage.stream(bars=8, asked=8)
    _outage(stage, bars=3)
    stage.tells_all("which came while the client was away")
    stage.told_in_order()


def _long_outage(stage: Stage) -> None:
    """Longer than the history that it asks for: what the next snapshot does not show is told as missing, or fetched."""
    stage.stream(bars=5, asked=5)
    missed = _outage(stage, bars=12)
    _told_or_excepted(stage, missed, "which came while the client was away")


def _waits_as_told(stage: Stage) -> None:
    stage.stream()
    stage.plan(faults.close(1001, connection=1), faults.refuse(429, retry_after=2, times=1, connection=2))
    refused = stage.until(stage.refused, "a new attempt to connect")[0]
    stage.until(lambda: stage.series(3), "another attempt after Retry-After")
    waited = stage.series(3)[0].at - refused
    stage.expect(waited >= 1.9, f"the server said to come back after 2 s, the client came after {waited:.1f} s")


def _no_hammering(stage: Stage) -> None:
    stage.open(faults.refuse(503, times=50))
    stage.until(stage.refused, "an attempt to connect", alive=False)
    _holds_back(stage, stage.refused, most=8, seconds=3.0, where="at a server that is overloaded")


def _forbidden(stage: Stage) -> None:
    stage.open(faults.refuse(403, times=50))
    stage.until(stage.refused, "an attempt to connect", alive=False)
    stage.complains("a connection that is refused")
    _holds_back(stage, stage.refused, most=4, where="at a server that says no")


def _says_goodbye(stage: Stage) -> None:
    stage.stream()
    stage.expect(stage.running.ask_to_end(), "it was asked to end, and did not within 5 s")
    closed = stage.until(lambda: stage.entries("closed"), "the end of the connection", alive=False)
    stage.expect(not closed[0].detail.startswith("1006"), "it ended without closing its connection")


def _comes_back_or_says_so(stage: Stage, what: str) -> None:
    def either() -> bool:
        return bool(stage.series(2)) or stage.ended

    stage.until(either, f"after {what} a new connection that asks for bars again, or an end", alive=False)
    if stage.ended and not stage.series(2):
        stage.complains(what)


def _holds_back(
    stage: Stage, attempts: Callable[[], Sized], *, most: int, seconds: float = 1.5, where: str
) -> None:
    """Within some seconds more it does not try again and again."""
    stage.wait(seconds)
    count = len(attempts())
    stage.expect(count <= most, f"{count} attempts within some {seconds:g} s {where}")


def _outage(stage: Stage, *, bars: int) -> list[float]:
    """The connection ends; while no new one comes about so many bars do. Their times."""
    stage.plan(faults.close(1006, connection=1), faults.refuse(503, times=1, connection=2))
    stage.until(stage.refused, "a new attempt to connect")
    missed = [stage.new_bar(110.0 + number) for number in range(bars)]
    stage.until(lambda: stage.series(3), "a new connection that asks for bars again")
    return missed


def _told_or_excepted(stage: Stage, times: list[float], what: str) -> None:
    """Each of these bars is told, or something that is no bar tells that it is missing."""

    def silent() -> list[float]:
        told = {line.time for line in stage.told()}
        spans = [(line.values.get("start"), line.values.get("end")) for line in stage.told("gap")]
        return [
            time
            for time in times
            if time not in told and not any(start is not None and end is not None and start <= time < end for start, end in spans)
        ]

    newest = max(stage.truth)
    stage.until(lambda: any(line.time == newest for line in stage.told()), f"the newest bar, of {newest:.0f}, to be told")
    named = ", ".join(f"{time:.0f}" for time in times[:3])
    stage.until(lambda: not silent(), f"the bars of {named} to be told, or a gap, {what}")


SCENARIOS: Final = (
    Scenario("tells_history", "prints the bars of the history, in order", _tells_history, sees=True),
    Scenario("subscribes", "asks for the bars of the symbol and the interval that it was told", _subscribes),
    Scenario("correct_on_the_wire", "sends nothing that the real server would refuse", _correct_on_the_wire),
    Scenario("strict_server", "is served by a server that refuses what the real one refuses", _strict_server),
    Scenario("pages_of_history", "fetches what the server gives in pages, or says how many it has", _pages_of_history, sees=True),
    Scenario("tells_updates", "prints the forming bar with each change", _tells_updates, sees=True),
    Scenario("tells_new_bars", "prints each new bar", _tells_new_bars, sees=True),
    Scenario("bars_without_volume", "takes bars that have no volume", _bars_without_volume, sees=True),
    Scenario("several_packets", "takes several packets in one message", _several_packets, sees=True),
    Scenario("small_slices", "takes messages that arrive in small pieces", _small_slices),
    Scenario("utf16_lengths", "reads lengths as UTF-16 units", _utf16_lengths, sees=True),
    Scenario("unknown_packet", "goes on after a packet of an unknown kind", _unknown_packet),
    Scenario("duplicates", "prints no bar twice when a message comes twice", _duplicates, sees=True),
    Scenario("revised_bar", "prints a bar again that is corrected after its end", _revised_bar, sees=True),
    Scenario("missing_bar", "notices a bar that the feed left out", _missing_bar, sees=True),
    Scenario("echoes_heartbeats", "echoes heartbeats", _echoes_heartbeats),
    Scenario("heartbeat_before_data", "echoes a heartbeat glued to data, in front", _heartbeat_before_data),
    Scenario("heartbeat_behind_data", "echoes a heartbeat glued to data, behind", _heartbeat_behind_data),
    Scenario("heartbeats_together", "echoes each of several heartbeats in a message", _heartbeats_together),
    Scenario("unknown_symbol", "says that a symbol does not exist", _unknown_symbol),
    Scenario("bad_token", "says that its token is refused, and does not try on and on", _bad_token),
    Scenario("critical_error", "goes on after an error that is about something else", _critical_error),
    Scenario("protocol_error", "comes back after a fatal error, or says that it ended", _protocol_error),
    Scenario("reconnects_after_close", "comes back after the server closed", _reconnects_after_close),
    Scenario("reconnects_after_reset", "comes back after the connection was reset", _reconnects_after_reset),
    Scenario("reset_in_a_message", "comes back after a message was cut off", _reset_in_a_message),
    Scenario("no_duplicates", "prints no bar again after coming back", _no_duplicates, sees=True),
    Scenario("fills_the_outage", "prints the bars that it missed", _fills_the_outage, sees=True),
    Scenario("long_outage", "fetches, or tells as missing, what its history does not reach", _long_outage, sees=True),
    Scenario("silence", "notices that nothing at all comes any more", _silence, patience=4),
    Scenario("chatty_stall", "notices that only heartbeats come any more", _chatty_stall, patience=4),
    Scenario("waits_as_told", "obeys Retry-After", _waits_as_told),
    Scenario("no_hammering", "waits longer and longer before an overloaded server", _no_hammering),
    Scenario("forbidden", "says that it is refused, and does not try on and on", _forbidden),
    Scenario("says_goodbye", "closes its connection when it is asked to end", _says_goodbye),
)
