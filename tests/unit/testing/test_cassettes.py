"""HTTP on tapes: what vcrpy records goes to a tape, and comes from it to the byte, each exchange once."""

from __future__ import annotations

import asyncio
import gzip
import io
import itertools
import json
import sys
import threading
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from vcr import VCR
from vcr.request import Request

from tvstreamer import Credentials, Event, FakeServer, FaultPlan, TvWSClient, faults
from tvstreamer.errors import MissingDependencyError, TapeFormatError, TapeMismatch, TapeWriteError
from tvstreamer.http import HttpClient
from tvstreamer.tape.exchanges import Exchange
from tvstreamer.tape.format import Header
from tvstreamer.tape.redact import Redactor
from tvstreamer.tape.writer import TapeWriter
from tvstreamer.testing import TapePersister, UsedTape, replay_digest, use_tape
from tvstreamer.testing.cassettes import HttpSide, exchanges

SOURCE = "fake:seed=7,speed=max"
NOWHERE = "ws://127.0.0.1:9/nobody-listens-here"
BTC = ("BINANCE:BTCUSDT", "1")
SESSION = Credentials(cookie="sessionid=canary-9d41; sessionid_sign=v1:canary-77aa")
Handler = Callable[[httpx.Request], httpx.Response]


class Nobody:
    """A server that must not be asked."""

    def answer_http(self, *_: object) -> Any:
        raise AssertionError("somebody was asked")


def counting() -> Handler:
    """A server that answers each request with its number."""
    numbers = itertools.count(1)
    return lambda request: httpx.Response(200, text=f"answer {next(numbers)} to {request.url.path}")


def refusing(request: httpx.Request) -> httpx.Response:
    raise AssertionError(f"somebody was asked: {request.url}")


def get(handler: Handler, *paths: str, host: str = "http://h.example", **options: Any) -> list[str]:
    with httpx.Client(transport=httpx.MockTransport(handler)) as client:
        return [client.get(f"{host}{path}", **options).text for path in paths]


def stream(tape: UsedTape, **options: Any) -> list[Event]:
    with TvWSClient([BTC], source=tape, n_init_bars=5, seed=1, **options) as client:
        return list(itertools.islice(client.stream(), 40))


def kinds(path: Path) -> list[str]:
    return [json.loads(line)["k"] for line in path.read_text().splitlines()[1:-1]]


# --- one tape with both -----------------------------------------------------------------------------------------------


def both(tape: UsedTape, server: object) -> tuple[list[str], list[Event], list[str]]:
    """A program that searches, logs in, streams, and searches again."""
    with HttpClient(server, auth=SESSION) as http:
        first = [row.symbol for row in http.search("btc", limit=2)]
        events = stream(tape, token=http.fetch_token)
        return first, events, [row.symbol for row in http.search("btc", limit=2)]


@pytest.mark.parametrize("name", ["tape.jsonl", "tape.jsonl.gz"])
def test_a_stream_and_what_was_asked_for_around_it_are_on_one_tape(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with use_tape(path, "once", source=SOURCE, http=True) as tape:
        live = both(tape, FakeServer(seed=7))
    with use_tape(path, source=NOWHERE, http=True, require_all_played=True, environ={}) as tape:
        assert both(tape, Nobody()) == live
    assert list(tmp_path.iterdir()) == [path]


def test_records_stand_in_the_order_in_which_things_happened(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    with use_tape(path, "once", source=SOURCE, http=True) as tape:
        get(counting(), "/before")
        stream(tape)
        get(counting(), "/behind")
    found = kinds(path)
    assert (found[0], found[1], found[-1]) == ("http", "open", "http")
    records = [json.loads(line) for line in path.read_text().splitlines()[1:-1]]
    assert [record["t"] for record in records] == sorted(record["t"] for record in records)
    assert records[-1]["t"] > records[0]["t"] == 0
    assert {record["c"] for record in records if record["k"] == "http"} == {0}


def test_no_secret_of_either_side_is_on_the_tape(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    with FakeServer(seed=7, speed="max", tokens=["canary-opaque-token"]) as server:
        with use_tape(path, "once", source=server.connect, http=True) as tape:
            both(tape, server)
    text = path.read_text()
    assert "canary" not in text
    assert "eyJ" not in text
    # What the page handed out is what was sent on the socket, under one name.
    [token] = [payload["p"][0] for line in text.splitlines() if '"set_auth_token"' in line for payload in json.loads(line)["p"]]
    assert token.startswith("redacted-")
    assert f'\\"auth_token\\":\\"{token}\\"' in text


def test_no_secret_is_in_a_log_while_it_is_recorded_or_replayed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(1)
    path = tmp_path / "tape.jsonl"
    with FakeServer(seed=7, speed="max", tokens=["canary-opaque-token"]) as server:
        with use_tape(path, "once", source=server.connect, http=True) as tape:
            both(tape, server)
    with use_tape(path, http=True, environ={}) as tape:
        both(tape, Nobody())
    assert caplog.records
    assert "canary" not in caplog.text


def test_a_tape_with_exchanges_replays_the_same_events_whole_too(tmp_path: Path) -> None:
    with_http, without = tmp_path / "with.jsonl", tmp_path / "without.jsonl"
    for path, http in ((with_http, True), (without, False)):
        with use_tape(path, "once", source=SOURCE, http=http) as tape:
            if http:
                get(counting(), "/before")
            stream(tape)
            if http:
                get(counting(), "/behind")
    assert replay_digest(with_http) == replay_digest(without) == replay_digest(with_http, threaded=True)
    late = FaultPlan([faults.latency(latency=1.0)])
    assert replay_digest(with_http, faults=late) == replay_digest(without, faults=late)
    with FakeServer(tape=with_http, speed="max") as server, TvWSClient([BTC], source=server.connect) as client:
        assert len(list(itertools.islice(client.stream(), 20))) == 20


# --- modes ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A tape that holds nothing but two exchanges."""
    path = tmp_path / "tapes" / "tape.jsonl"
    with use_tape(path, "once", http=True):
        assert get(counting(), "/a", "/a") == ["answer 1 to /a", "answer 2 to /a"]
    return path


def test_equal_requests_are_answered_in_the_recorded_order_each_once(path: Path) -> None:
    with use_tape(path, http=True, environ={}) as tape:
        assert tape.unplayed == ["GET 'http://h.example/a'"] * 2
        assert get(refusing, "/a") == ["answer 1 to /a"]
        assert not tape.all_played
        assert get(refusing, "/a") == ["answer 2 to /a"]
        assert tape.all_played
        with pytest.raises(TapeMismatch, match=r"tape.jsonl: GET http://h.example/a is not on the tape, or has been answered"):
            get(refusing, "/a")


def test_a_mismatch_tells_no_secret_and_nothing_that_could_be_tried_against_one(path: Path) -> None:
    with use_tape(path, http=True, environ={"TVSTREAMER_TOKEN": "canary-given"}):
        with pytest.raises(TapeMismatch) as caught:
            get(refusing, "/canary-given/b?user_id=987654")
    assert str(caught.value).startswith("tape.jsonl: GET http://h.example/redacted/b?user_id=redacted is not on the tape")


def test_what_is_not_on_the_tape_is_a_mismatch_that_names_the_nearest(path: Path) -> None:
    before = path.read_bytes()
    with use_tape(path, http=True, environ={}):
        with pytest.raises(TapeMismatch, match="GET http://h.example/ab is not on the tape") as caught:
            get(refusing, "/ab")
        assert caught.value.nearest == "GET http://h.example/a"
        with pytest.raises(TapeMismatch) as caught:
            get(refusing, "/a?token=canary-token")
        assert "canary" not in str(caught.value)
    assert path.read_bytes() == before


def test_a_tape_without_exchanges_answers_none(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    with use_tape(path, "once", source=SOURCE) as tape:
        stream(tape)
    with use_tape(path, http=True, environ={}), pytest.raises(TapeMismatch) as caught:
        get(refusing, "/a")
    assert caught.value.nearest == ""


def test_threads_that_ask_for_the_same_get_an_answer_each_or_an_error(path: Path) -> None:
    outcomes: list[object] = []

    def ask() -> None:
        try:
            outcomes.extend(get(refusing, "/a"))
        except TapeMismatch as error:
            outcomes.append(type(error))

    with use_tape(path, http=True, environ={}):
        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
    assert sorted(map(str, outcomes), reverse=True)[:2] == ["answer 2 to /a", "answer 1 to /a"]
    assert outcomes.count(TapeMismatch) == 6


def test_an_answer_that_another_thread_took_is_a_mismatch() -> None:
    side = HttpSide("tape", [Exchange("GET", "http://h.example/a", 200)], records=False, happened=lambda _: None)
    side.start()
    try:
        request = Request("GET", "http://h.example/a", b"", {})
        assert side._cassette.can_play_response_for(request)
        side._cassette.play_response(request)
        with pytest.raises(TapeMismatch, match="has been answered"):
            side._cassette.play_response(request)
    finally:
        side.stop()


def test_what_was_not_asked_for_is_told_if_that_is_wanted(path: Path) -> None:
    with pytest.raises(TapeMismatch, match="recorded, but not asked for: GET 'http://h.example/a'"):
        with use_tape(path, http=True, require_all_played=True):
            get(refusing, "/a")
    # Who wants none of the exchanges misses none.
    with use_tape(path, require_all_played=True):
        pass


def test_without_http_nothing_is_recorded_or_replayed(path: Path) -> None:
    with use_tape(path):
        assert get(counting(), "/a") == ["answer 1 to /a"]


def test_new_episodes_adds_what_is_missing_and_asks_for_it_as_often_as_it_is_wanted(path: Path) -> None:
    with use_tape(path, "new_episodes", http=True):
        assert get(counting(), "/a", "/b", "/b", "/a") == [
            "answer 1 to /a", "answer 1 to /b", "answer 2 to /b", "answer 2 to /a",
        ]  # fmt: skip
    with use_tape(path, http=True, require_all_played=True):
        assert get(refusing, "/b", "/a", "/b", "/a") == [
            "answer 1 to /b", "answer 1 to /a", "answer 2 to /b", "answer 2 to /a",
        ]  # fmt: skip


def test_new_episodes_appends_behind_a_stream_that_is_replayed(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    with use_tape(path, "once", source=SOURCE) as tape:
        live = stream(tape)
    digest = replay_digest(path)
    with use_tape(path, "new_episodes", source=NOWHERE, http=True) as tape:
        assert stream(tape) == live
        get(counting(), "/a")
    assert kinds(path)[-1] == "http"
    assert replay_digest(path) == digest


@pytest.mark.parametrize(("mode", "left"), [("all", 3), ("rewrite", 1)])
def test_all_appends_and_rewrite_replaces(path: Path, mode: str, left: int) -> None:
    with use_tape(path, mode, http=True):
        assert get(counting(), "/a") == ["answer 1 to /a"]
    assert len(exchanges(path)) == left


def test_verify_compares_what_is_asked_and_whether_there_was_an_answer(path: Path) -> None:
    before = path.read_bytes()
    with use_tape(path, "verify", http=True):
        get(lambda request: httpx.Response(200, text="something else"), "/a", "/a")
    with pytest.raises(TapeMismatch, match="does not answer as it did") as caught:
        with use_tape(path, "verify", http=True):
            get(lambda request: httpx.Response(404), "/a", "/a?token=x-secret")
    assert "-GET http://h.example/a 200 text/plain" in caught.value.diff
    assert "+GET http://h.example/a?token=redacted 404" in caught.value.diff
    assert path.read_bytes() == before


@pytest.mark.parametrize("mode", ["all", "rewrite", "new_episodes"])
def test_a_block_that_fails_leaves_the_tape_as_it_was_and_the_libraries_too(path: Path, mode: str) -> None:
    before = path.read_bytes()
    with pytest.raises(ZeroDivisionError), use_tape(path, mode, http=True):
        get(counting(), "/b")
        raise ZeroDivisionError
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
    assert get(counting(), "/a") == ["answer 1 to /a"]


def test_a_recording_of_nothing_makes_no_tape(tmp_path: Path) -> None:
    with use_tape(tmp_path / "tape.jsonl", "once", http=True):
        pass
    assert list(tmp_path.iterdir()) == []


def test_exchanges_happen_in_any_thread(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    with use_tape(path, "once", source=SOURCE, http=True) as tape:
        threads = [threading.Thread(target=get, args=(counting(), f"/{number}", f"/{number}")) for number in range(4)]
        for thread in threads:
            thread.start()
        stream(tape)
        for thread in threads:
            thread.join(20)
    assert len(exchanges(path)) == 8


# --- to the byte ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ([("content-type", "image/png")], b"\x89PNG\r\n\x1a\n\x00\xff"),
        ([("content-encoding", "gzip"), ("content-type", "text/plain")], gzip.compress("äöü\u2028".encode() * 50)),
        ([("x-a", "1"), ("x-b", "2"), ("x-a", "3")], b"repeated"),
        ([("x-other", "zoë")], b""),
        ([], "lines\r\n\u2028and\ttabs".encode()),
    ],
    ids=["binary", "packed", "repeated", "empty", "lines"],
)
def test_bodies_and_headers_come_back_as_they_were(tmp_path: Path, headers: list[tuple[str, str]], body: bytes) -> None:
    path = tmp_path / "tape.jsonl"

    def handler(_request: httpx.Request) -> httpx.Response:
        raw = [(name.encode(), value.encode()) for name, value in headers]
        return httpx.Response(207, headers=raw, stream=httpx.ByteStream(body))

    def ask(handler: Handler) -> tuple[int, list[str], bytes]:
        with httpx.Client(transport=httpx.MockTransport(handler)) as client, client.stream("GET", "http://h.example/") as response:
            return response.status_code, response.headers.get_list("x-a"), b"".join(response.iter_raw())

    with use_tape(path, "once", http=True):
        live = ask(handler)
    with use_tape(path, http=True, environ={}):
        assert ask(refusing) == live
    assert live[2] == body


def test_a_request_is_told_by_its_body_too(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"

    def post(handler: Handler, *bodies: str) -> list[str]:
        with httpx.Client(transport=httpx.MockTransport(handler)) as client:
            return [client.post("http://h.example/scan", content=body).text for body in bodies]

    with use_tape(path, "once", http=True):
        post(counting(), "one", "two", "password=canary-pass")
    with use_tape(path, http=True, environ={}):
        # A secret in it is any secret.
        assert post(refusing, "two", "one") == ["answer 2 to /scan", "answer 1 to /scan"]
        with pytest.raises(TapeMismatch):
            post(refusing, "three")


def test_other_libraries_are_recorded_as_well_and_the_port_of_a_server_may_change(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"

    def search(port: int) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/symbol_search/v3/?text=aapl", timeout=20) as response:
            body: bytes = response.read()
            return body

    with FakeServer(seed=7) as server, use_tape(path, "once", http=True):
        live = search(server.port)
    with use_tape(path, http=True, environ={}):
        assert search(9) == live


def test_coroutines_are_recorded_as_well(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"

    def ask(mode: str, handler: Handler) -> list[str]:
        @use_tape(path, mode, http=True)
        async def program(*, tape: UsedTape) -> list[str]:
            async with httpx.AsyncClient(transport=httpx.MockTransport(handler)) as client:
                return [(await client.get("http://h.example/a")).text for _ in range(2)]

        return asyncio.run(program())  # type: ignore[call-arg]

    live = ask("once", counting())
    assert live == ["answer 1 to /a", "answer 2 to /a"] == ask("none", refusing)


def test_a_secret_in_an_address_does_not_keep_it_from_being_found(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    with use_tape(path, "once", http=True):
        get(counting(), "/a?token=canary-first")
    assert "canary" not in path.read_text()
    with use_tape(path, http=True, environ={}):
        assert get(refusing, "/a?token=canary-another") == ["answer 1 to /a"]


# --- what goes wrong --------------------------------------------------------------------------------------------------


def test_a_body_that_cannot_be_looked_into_ends_the_request_and_is_not_recorded(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    packed = [("content-encoding", "br")]
    with pytest.raises(TapeWriteError, match="'br' cannot be searched for secrets"), use_tape(path, "once", source=SOURCE, http=True) as tape:
        stream(tape)
        get(lambda request: httpx.Response(200, headers=packed, stream=httpx.ByteStream(b"x")), "/a")
    assert list(tmp_path.iterdir()) == []


def test_what_came_before_a_stream_is_refused_when_the_tape_begins(tmp_path: Path) -> None:
    packed = [("content-encoding", "br")]

    def ask() -> None:
        with httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200, headers=packed, stream=httpx.ByteStream(b"x")))) as client:
            with client.stream("GET", "http://h.example/"):
                pass

    with pytest.raises(TapeWriteError, match="'br'"), use_tape(tmp_path / "tape.jsonl", "once", http=True):
        ask()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", ["nonsense", {"request": {"method": "GET", "url": "x", "base64": "!"}, "response": {"status": 200}}])
def test_a_record_that_is_no_exchange_is_told_with_its_place(tmp_path: Path, value: object) -> None:
    path = tmp_path / "tape.jsonl"
    path.write_text('{"tape":1,"start":0.0}\n' + json.dumps({"t": 1_500_000_000, "c": 0, "k": "http", "http": value}) + "\n")
    with pytest.raises(TapeFormatError, match=r"tape.jsonl: at 1.500 s: an http record that is none"):
        with use_tape(path, http=True, environ={}):
            pass
    assert get(counting(), "/a") == ["answer 1 to /a"]


def test_exchanges_that_would_fill_the_memory_are_refused(path: Path) -> None:
    assert len(exchanges(path, most=28)) == 2
    with pytest.raises(TapeFormatError, match=r"tape.jsonl: HTTP bodies of more than 27 bytes"):
        exchanges(path, most=27)


def test_an_odd_reason_of_a_foreign_tape_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    with TapeWriter(path, Header(start=0.0), redactor=Redactor(key=b"k")) as writer:
        writer.exchange(Exchange("GET", "http://h.example/a", 200, "Très bien", body=b"found"), 0.0)
    with use_tape(path, http=True, environ={}):
        assert get(refusing, "/a") == ["found"]


def test_headers_in_letters_beyond_ascii_are_played_to_each_library(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    exchange = Exchange("GET", "http://h.example/a", 200, headers=(("X-Name", "café"), ("X-É", "é")), body=b"x")
    with TapeWriter(path, Header(start=0.0), redactor=Redactor(key=b"k")) as writer:
        writer.exchange(exchange, 0.0)
        writer.exchange(exchange, 0.0)
    with use_tape(path, http=True, environ={}):
        with httpx.Client(transport=httpx.MockTransport(refusing)) as client:
            played = client.get("http://h.example/a").headers.raw
        assert played == [(name.encode(), value.encode()) for name, value in exchange.headers]
        with urllib.request.urlopen("http://h.example/a", timeout=20) as response:
            assert response.headers["X-Name"].encode("latin-1") == "café".encode()


@pytest.mark.parametrize(
    "exchange",
    [
        Exchange("GET", "http://[::1/x", 200),
        Exchange("GET", "http://h.example/\ud800", 200),
        Exchange("GET", "http://h.example/", 200, headers=(("x", "\ud800"),)),
        Exchange("GET", "http://h.example/", 200, sent_headers=(("\ud800", "x"),)),
    ],
    ids=["address", "surrogate in it", "answered header", "sent header"],
)
def test_what_could_be_played_to_nobody_is_told_where_the_tape_is_opened(tmp_path: Path, exchange: Exchange) -> None:
    path = tmp_path / "tape.jsonl"
    record = {"t": 0, "c": 0, "k": "http", "http": exchange.stored()}
    path.write_text(f'{{"tape":1,"start":0}}\n{json.dumps(record)}\n')
    with pytest.raises(TapeFormatError, match=r"at 0.000 s: an http record that cannot be played: GET 'http://"):
        with use_tape(path, http=True, environ={}):
            raise AssertionError("it was opened")


def test_without_vcrpy_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "tvstreamer.testing.cassettes", raising=False)
    monkeypatch.setitem(sys.modules, "vcr", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'tvstreamer\[vcr\]'"), use_tape(tmp_path / "x.jsonl", "once", http=True):
        pass


def test_a_side_that_is_not_started_has_played_nothing() -> None:
    side = HttpSide("tape", [Exchange("GET", "http://h.example/a", 200)], records=False, happened=lambda _: None)
    assert repr(side) == "<HttpSide of 'tape', 1 exchanges recorded before>"
    assert side.unplayed == ["GET 'http://h.example/a'"]
    side.stop()


# --- a VCR of one's own -----------------------------------------------------------------------------------------------


def own_vcr(mode: str = "once") -> VCR:
    vcr = VCR(record_mode=mode)
    vcr.register_persister(TapePersister)
    return vcr


def test_a_vcr_of_ones_own_can_keep_its_cassettes_on_tapes(tmp_path: Path) -> None:
    path = tmp_path / "new" / "tape.jsonl"
    with own_vcr().use_cassette(str(path)):
        get(counting(), "/a", "/a?token=canary-token", headers={"cookie": "sessionid=canary-session"})
    assert "canary" not in path.read_text()
    with own_vcr("none").use_cassette(str(path)):
        assert get(refusing, "/a") == ["answer 1 to /a"]
    assert list(path.parent.iterdir()) == [path]


def test_what_else_is_on_a_tape_stays_there(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    with use_tape(path, "once", source=SOURCE, http=True) as tape:
        get(counting(), "/a")
        stream(tape)
    digest, before = replay_digest(path), kinds(path)
    with own_vcr("new_episodes").use_cassette(str(path)):
        assert get(counting(), "/a", "/b") == ["answer 1 to /a", "answer 1 to /b"]
    assert (replay_digest(path), kinds(path)) == (digest, [*before, "http"])
    with own_vcr("all").use_cassette(str(path)):
        get(counting(), "/b")
    assert [exchange.url[-2:] for exchange in exchanges(path)] == ["/a", "/b"]
    with own_vcr("new_episodes").use_cassette(str(path), drop_unused_requests=True):
        get(counting(), "/b")
    assert [exchange.url[-2:] for exchange in exchanges(path)] == ["/b"]
    assert replay_digest(path) == digest


def test_a_cassette_that_cannot_be_written_leaves_the_tape_as_it_was(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(TapeWriteError):
        response = {"status": {"code": 200}, "headers": {"Content-Encoding": "br"}, "body": {"string": "x"}}
        requests, _ = TapePersister.load_cassette(path, None)
        TapePersister.save_cassette(path, {"requests": requests[:1], "responses": [response]}, None)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_foreign_tape_that_cannot_be_scrubbed_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    stored = Exchange("GET", "http://h.example/", 200, headers=(("content-encoding", "br"),), body=b"x").stored()
    path.write_text('{"tape":1,"start":0.0}\n' + json.dumps({"t": 0, "c": 0, "k": "http", "http": stored}) + "\n")
    before = path.read_bytes()
    # Not by a VCR, which leaves the libraries as they are when its persister fails.
    requests, responses = TapePersister.load_cassette(path, None)
    with pytest.raises(TapeWriteError, match="'br'"):
        TapePersister.save_cassette(path, {"requests": requests, "responses": responses}, None)
    with pytest.raises(TapeWriteError, match="'br'"), use_tape(path, "all", http=True):
        get(counting(), "/b")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_broken_tape_is_not_written_over(path: Path) -> None:
    header, *records, _footer = path.read_text().splitlines()
    path.write_text("\n".join([header, *records, "broken", ""]))
    before = path.read_bytes()
    requests = [Request("GET", "http://h.example/", b"", {})]
    with pytest.raises(TapeFormatError, match="not a record"):
        TapePersister.save_cassette(path, {"requests": requests, "responses": [{"status": {"code": 200}, "headers": {}, "body": {"string": b""}}]}, None)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_what_libraries_give_in_other_types_is_understood(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    request = Request("PUT", "http://h.example/", io.BytesIO(b"sent"), {"A": b"b"})
    response = {"status": {"code": 201, "message": None}, "headers": {"X": "y", "Z": [b"1", "2"]}, "body": {"string": "text"}}
    TapePersister.save_cassette(path, {"requests": [request], "responses": [response]}, None)
    [exchange] = exchanges(path)
    assert exchange == Exchange(
        "PUT", "http://h.example/", 201, "", (("A", "b"),), b"sent", (("X", "y"), ("Z", "1"), ("Z", "2")), b"text"
    )
