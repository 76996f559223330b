"""What a `source=` means, and what it does not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tvstreamer.auth import Credentials
from tvstreamer.clock import ScaledClock, VirtualClock
from tvstreamer.errors import InvalidSource, TapeFormatError
from tvstreamer.protocol.subscription import Subscription
from tvstreamer.sources import Source, fake_options, open_source, parse_speed
from tvstreamer.transports.base import Transport
from tvstreamer.transports.memory import pair


def opened(spec: object, **options: object) -> Source:
    return open_source(spec, credentials=Credentials(), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("spec", "url"),
    [
        ("live", "wss://data.tradingview.com/socket.io/websocket"),
        ("live:host=prodata", "wss://prodata.tradingview.com/socket.io/websocket"),
        ("live:host=charts.example.com", "wss://charts.example.com/socket.io/websocket"),
        ("ws://127.0.0.1:1/x", "ws://127.0.0.1:1/x"),
        ("wss://example.com/", "wss://example.com/"),
    ],
)
def test_sockets_need_a_reader_thread(spec: str, url: str) -> None:
    source = opened(spec)
    assert (source.kind, source.url, source.threaded) == ("live", url, True)


def test_a_fake_is_inline_only_at_full_speed() -> None:
    fast, real, scaled = opened("fake:seed=7,speed=max"), opened("fake"), opened("fake", speed=10, seed=3)
    assert (fast.threaded, fast.seed, isinstance(fast.clock, VirtualClock)) == (False, 7, True)
    for source, seed, factor in ((real, None, 1), (scaled, 3, 10)):
        assert isinstance(source.clock, ScaledClock)
        assert (source.threaded, source.seed, source.clock.factor) == (True, seed, factor)
    for source in (fast, real, scaled):
        source.close()


def test_a_path_is_a_tape(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    path.write_bytes(b'{"tape":1,"start":5.0,"seed":9}\n')
    for spec in (path, str(path)):
        source = opened(spec)
        assert (source.kind, source.tape, source.seed, source.threaded, source.clock.now()) == ("tape", path, 9, False, 5.0)
        source.close()
    slow = opened(path, speed="2")
    assert isinstance(slow.clock, ScaledClock)
    slow.close()


def test_a_connector_is_a_source_and_its_clock_decides_about_the_thread() -> None:
    clock = VirtualClock()

    def connector() -> Transport:
        return pair(clock)[0]

    assert opened(connector, clock=clock).threaded is False
    source = opened(connector)
    assert (source.kind, source.threaded) == ("connector", True)
    source.close()


@pytest.mark.parametrize(
    "spec",
    [
        "live:host=", "live:port=1", "live:host", "live:host=a/b.c", "live:host=nowhere", "fake:seed=x", "fake:seed=-1", "fake:speed=0",
        "fake:speed=inf", "fake:speed=fast", "fake:sed=1", "ws:", "ws://", "wss:/x", "ws://:80/x", "ws://h:0", "ws://h:65536/x", "wss://[h", "no-such-file.jsonl", "", 7, None,
    ],
)  # fmt: skip
def test_what_names_nothing_is_refused_with_what_was_expected(spec: object) -> None:
    with pytest.raises(InvalidSource, match="expected|no such file"):
        opened(spec)


def test_what_is_refused_is_shown_as_it_was_written_but_for_secrets() -> None:
    with pytest.raises(InvalidSource, match="source 'http://127.0.0.1:1/': no such file, and none of live, fake"):
        opened("http://127.0.0.1:1/")
    with pytest.raises(InvalidSource, match="the port up to 65535") as caught:
        opened("ws://me:hidden@127.0.0.1:65536/")
    assert "hidden" not in str(caught.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no such pipes")
def test_a_pipe_is_no_tape_and_nobody_waits_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(TapeFormatError, match="pipe: not a regular file, expected a tape"):
        opened(tmp_path / "pipe")


def test_options_of_a_fake_are_for_a_fake() -> None:
    assert fake_options("fake:seed=7,speed=max") == {"seed": "7", "speed": "max"}
    with pytest.raises(InvalidSource, match="expected 'fake'"):
        fake_options("live")


def test_a_speed_is_a_factor_or_none_for_as_fast_as_possible() -> None:
    assert [parse_speed(value) for value in (None, "max", 2, "0.5")] == [None, None, 2.0, 0.5]


class Maker:
    """Becomes a source of its own for each client."""

    def as_source(self, *, credentials: Credentials, subscriptions: object = (), **options: object) -> Source:
        self.told = (credentials, subscriptions, options["speed"])
        return open_source("fake:speed=max", credentials=credentials)


def test_what_can_become_a_source_is_told_for_whom() -> None:
    maker, subscriptions = Maker(), (Subscription("TEST:ONE"),)
    source = opened(maker, subscriptions=subscriptions, speed=2)
    assert source.kind == "fake"
    assert maker.told == (Credentials(), subscriptions, 2)
    source.close()
