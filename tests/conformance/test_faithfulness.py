"""What real servers said to recorded commands, and what the fake says to the same: kinds, order, field sets, kinds of values.

Where the two differ, the difference is on a list here, with the section of the protocol reference that tells of it. A list may only
get shorter: a difference that no longer occurs fails the test until it is taken off.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tvstreamer import FakeServer, TransportClosed, TransportTimeout
from tvstreamer.protocol import framing

FIXTURE = Path(__file__).resolve().parents[2] / "fixtures" / "wire" / "minute-session.log"
CAPTURE = "tvstreamer_sample_ws_out_2025-07-06.log"
EVENTS = "tradingview-rs_events_2025-06-25.json"

Message = list[dict[str, Any]]
"""The packets of one message; heartbeats are left out."""

# What the fake does differently from the capture of 2025-07-06, and where the reference tells of it.
KNOWN_2025_07_06 = {
    "symbol_resolved has .p[2].exchange_listed_name: str": "4.3: from December 2025 on",
}

# The same for a session of that shape that was made up for tests.
KNOWN_OF_OUR_OWN = {
    "symbol_resolved lacks .p[2].made_up: NoneType": "4.3: no such field; it is there to be kept by whoever reads it",
    "timescale_update first lacks .p[2].changes[]: int": "4.1: times in changes are floats, as the fake writes them",
    "timescale_update live lacks .p[2].changes[]: int": "4.1: times in changes are floats, as the fake writes them",
}

FUTURE = "timescale_update of no object"

# The same for the events of 2025-06-25, which are those of a delayed stock.
KNOWN_2025_06_25 = {
    f"{FUTURE}: missing": "5.1: points of time to come follow the bars of another symbol",
}


# --- shapes ---------------------------------------------------------------------------------------------------------


def shape(value: Any, path: str = "", *, place: bool = True) -> Iterator[str]:
    """Each field of a packet as `path: kind of value`.

    An element of a list has its place in the path where the place means something, as in `p`, in `v` and in a mark; the
    names of series and studies, which the client makes up, are `*`. Values of quotes are numbers of either kind.
    """
    if isinstance(value, dict):
        yield f"{path}: object"
        for key, each in value.items():
            named = path in (".p[1]", ".p[2].last_session_switches") and key not in ("n", "s", "v")
            yield from shape(each, f"{path}.{'*' if named else key}", place=key in ("p", "v"))
    elif isinstance(value, list):
        yield f"{path}: list"
        for number, each in enumerate(value):
            yield from shape(each, f"{path}[{number if place else ''}]", place=True)
    else:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        kind = "number" if number and path.startswith(".p[1].v.") else type(value).__name__
        yield f"{path}: {kind}"


def kind_of(packet: dict[str, Any]) -> str:
    """The packet's method, and for updates whether it is the first delivery or a live one."""
    method = str(packet.get("m", "hello"))
    if method not in ("timescale_update", "du"):
        return method
    objects = packet["p"][1].values()
    if not objects:
        return f"{method} of no object"
    if any("st" in each for each in objects):
        return f"{method} of a study"
    if any(each.get("s") == [] for each in objects):
        return f"{method} that clears"
    return f"{method} {'first' if any('node' in each for each in objects) else 'live'}"


def shapes(packets: Iterable[dict[str, Any]]) -> dict[str, set[str]]:
    """For each kind of packet the fields that any of its packets has."""
    found: dict[str, set[str]] = {}
    for packet in packets:
        found.setdefault(kind_of(packet), set()).update(shape(packet))
    return found


def differences(real: Iterable[dict[str, Any]], fake: Iterable[dict[str, Any]]) -> set[str]:
    """What the fake's packets lack, and what they have that the real ones do not; a kind that one has not at all is one."""
    ours, theirs = shapes(fake), shapes(real)
    found = {f"{kind}: missing" for kind in theirs.keys() - ours.keys()}
    found |= {f"{kind}: made up" for kind in ours.keys() - theirs.keys()}
    for kind in ours.keys() & theirs.keys():
        found |= {f"{kind} lacks {each}" for each in theirs[kind] - ours[kind]}
        found |= {f"{kind} has {each}" for each in ours[kind] - theirs[kind]}
    return found


def key_orders(packets: Iterable[dict[str, Any]]) -> dict[str, list[str]]:
    """The order of a packet's own keys, by method."""
    return {str(packet.get("m", "hello")): list(packet) for packet in packets}


def check(found: set[str], known: dict[str, str]) -> None:
    assert found - known.keys() == set(), "the fake differs in a new way"
    assert known.keys() - found == set(), "these differences are gone: take them off the list"
    assert all(re.fullmatch(r"\d+(\.\d+)*: .+", section) for section in known.values())


# --- the two sides --------------------------------------------------------------------------------------------------


def packets_of(message: str) -> Message:
    return [json.loads(payload) for payload in framing.split(message) if not payload.startswith("~h~")]


def logged(path: Path) -> tuple[list[str], list[Message]]:
    """What the client of a log sent, and what it received."""
    lines = path.read_text(encoding="utf-8").splitlines()
    sent = [line[6:] for line in lines if line.startswith("WS TX ")]
    received = [packets_of(line[6:]) for line in lines if line.startswith("WS RX ")]
    return sent, [message for message in received if message]


def answers(*turns: Iterable[str], seconds: float = 90.0, **server: Any) -> list[list[Message]]:
    """What the fake says to each of these lots of commands: up to the end of its burst, and on its own after the last."""
    received: list[list[Message]] = []
    with FakeServer(seed=7, speed="max", reply_delay=0.13, heartbeat_timeout=None, **server) as fake:
        transport = fake.connect()
        for number, commands in enumerate(turns):
            for message in commands:
                if "~h~" not in message:
                    transport.send(message)
            until = fake.clock.now() + (seconds if number == len(turns) - 1 else 0.2)
            said: list[Message] = []
            with suppress(TransportTimeout, TransportClosed):
                while fake.clock.now() < until:
                    said.append(packets_of(transport.recv(until - fake.clock.now()).text))
            received.append([message for message in said if message])
        transport.close()
    return received


def command(method: str, *parameters: Any) -> str:
    return framing.packet(json.dumps({"m": method, "p": parameters}, separators=(",", ":")))


def flat(messages: Iterable[Message]) -> list[dict[str, Any]]:
    return [packet for message in messages for packet in message]


# --- a session of a chart and a quote -------------------------------------------------------------------------------


def begin(messages: list[Message], *, quotes: bool) -> list[str]:
    """The kinds of packets up to the end of the first load, of chart or of quote sessions: the two interleave anywhere."""
    kinds = [kind_of(packet) for packet in flat(messages[1:])]
    first = kinds[: kinds.index("series_completed") + 1]
    return [kind for kind in first if (kind.startswith(("qsd", "quote"))) == quotes]


def compare_session(path: Path) -> tuple[list[Message], list[Message]]:
    sent, real = logged(path)
    (fake,) = answers(sent)
    for quotes in (False, True):
        assert begin(fake, quotes=quotes) == begin(real, quotes=quotes)
    theirs = key_orders(flat(real))
    assert {method: keys for method, keys in key_orders(flat(fake)).items() if method in theirs} == theirs
    return real, fake


def test_a_session_of_our_own_is_answered_as_it_is_told() -> None:
    real, fake = compare_session(FIXTURE)
    # It was written down with few fields, so that only those count which it has.
    check({each for each in differences(flat(real), flat(fake)) if " has " not in each}, KNOWN_OF_OUR_OWN)


def test_the_session_of_2025_07_06_is_answered_as_it_was(captures: Path) -> None:
    real, fake = compare_session(captures / CAPTURE)
    check(differences(flat(real), flat(fake)), KNOWN_2025_07_06)
    # The hello stands alone, and what the first burst of commands asks for comes as one message.
    for place in (0, 1):
        assert [kind_of(packet) for packet in fake[place]] == [kind_of(packet) for packet in real[place]]


# --- another symbol in place of the first, with studies -------------------------------------------------------------


def test_another_symbol_is_answered_as_on_2025_06_25(captures: Path) -> None:
    real = charts_only(json.loads((captures / EVENTS).read_text(encoding="utf-8")))
    opening = [
        command("set_auth_token", "unauthorized_user_token"),
        command("chart_create_session", "cs_a", ""),
        command("resolve_symbol", "cs_a", "sds_sym_1", "NASDAQ:MSFT"),
        command("create_series", "cs_a", "sds_1", "s1", "sds_sym_1", "1D", 300, ""),
        command("create_study", "cs_a", "st1", "st1", "sds_1", "Volume@tv-basicstudies-241", {"length": 20}),
    ]
    change = [
        command("resolve_symbol", "cs_a", "sds_sym_2", "NASDAQ:AAPL"),
        command("modify_series", "cs_a", "sds_1", "s2", "sds_sym_2", "1D", ""),
    ]
    _, changed = answers(opening, change, seconds=0.5)
    fake = charts_only(flat(changed))
    assert once_each(fake) == [kind for kind in once_each(real) if kind != FUTURE]
    # Which fields a symbol has is its own affair; those that both have are of one kind.
    found = {each for each in differences(real, fake) if not each.startswith("symbol_resolved")}
    found |= mixed(shapes(real)["symbol_resolved"] | shapes(fake)["symbol_resolved"])
    check(found, KNOWN_2025_06_25)


def charts_only(packets: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [packet for packet in packets if packet.get("m") not in (None, "qsd", "quote_completed")]


def once_each(packets: Iterable[dict[str, Any]]) -> list[str]:
    """The kinds in order, each once: there were seven studies, whose values came one after the other."""
    return list(dict.fromkeys(map(kind_of, packets)))


def mixed(fields: Iterable[str]) -> set[str]:
    """The fields that are of several kinds."""
    kinds: dict[str, set[str]] = {}
    for path, _, kind in (each.rpartition(": ") for each in fields):
        kinds.setdefault(path, set()).add(kind)
    return {f"symbol_resolved{path}: {' or '.join(sorted(each))}" for path, each in kinds.items() if len(each) > 1}


# --- what is refused ------------------------------------------------------------------------------------------------

CHART = (command("chart_create_session", "cs_a", ""), command("quote_create_session", "qs_a"))
REFUSED = {
    "flags among the symbols of a quote": (
        [command("quote_add_symbols", "qs_a", "NASDAQ:AAPL", {"flags": ["force_permission"]})],
        ['{"m":"critical_error","p":["qs_a","invalid_parameters","quote_add_symbols"]}'],
    ),
    "an unknown symbol in a chart": (
        [
            command("resolve_symbol", "cs_a", "symbol_1", "XXXX:NOPE"),
            command("create_series", "cs_a", "s1", "s1", "symbol_1", "1", 10),
        ],
        [
            '{"m":"series_loading","p":["cs_a","s1","s1"],T}',
            '{"m":"symbol_error","p":["cs_a","symbol_1","invalid symbol"],T}',
            '{"m":"series_error","p":["cs_a","s1","s1","resolve error","NODE@NODE"],T}',
        ],
    ),
    "an unknown symbol in a quote": (
        [command("quote_add_symbols", "qs_a", "XXXX:NOPE")],
        ['{"m":"qsd","p":["qs_a",{"n":"XXXX:NOPE","s":"error","errmsg":"no_such_symbol","v":{}}]}'],
    ),
    "a bad token": (
        [command("set_auth_token", "nobody's")],
        ['{"m":"protocol_error","p":["bad auth token"]}'],
    ),
    "a resolution that is none": (
        [
            command("resolve_symbol", "cs_a", "ser_1", "NASDAQ:AAPL"),
            command("create_series", "cs_a", "$prices", "s1", "ser_1", "XX", 100),
        ],
        [
            '{"m":"critical_error","p":["cs_a","invalid parameters",'
            '"method: create_series. args: \\"[$prices, s1, ser_1, XX, 100]\\""]}'
        ],
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_is_refused_in_the_same_words(case: str) -> None:
    """As in the short captures (the reference's S1, S2, S6) and in the one of 2026-10-02, with ids of our own."""
    commands, expected = REFUSED[case]
    _, said = answers(CHART, commands, seconds=1.0)
    texts = [json.dumps(packet, separators=(",", ":")) for packet in flat(said) if packet.get("m") != "symbol_resolved"]
    texts = [re.sub(r'"t":\d+,"t_ms":\d+', "T", text) for text in texts]
    assert [re.sub(r'"([\w-]+)@\1"', '"NODE@NODE"', text) for text in texts] == expected
