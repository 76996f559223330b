"""The proxy between real sockets: what passes, what is recorded, how either side ends, and what a fault plan does to it."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tvstreamer import (
    Bar,
    Connected,
    ConnectFailed,
    Disconnected,
    FakeServer,
    FaultPlan,
    InvalidPlan,
    InvalidSource,
    Proxy,
    ServerStartError,
    Subscription,
    TapeWriteError,
    Tick,
    TransportClosed,
    TvWSClient,
    faults,
)
from tvstreamer.clock import SystemClock
from tvstreamer.events import Event
from tvstreamer.faults import load_plan
from tvstreamer.protocol import framing
from tvstreamer.server.listener import Listener
from tvstreamer.tape.format import Record
from tvstreamer.tape.reader import TapeReader
from tvstreamer.testing.scripted import ScriptedConnection
from tvstreamer.transports.websocket_client import WebSocketTransport, connect

CLOCK = SystemClock()
SRC = Path(__file__).resolve().parents[2] / "src"
WANTED = Subscription("BINANCE:BTCUSDT", "1", quotes=True)
SECRET = "eyJhbGciOi.a-secret-of-the-user.c2lnbmF0dXJl"


def told(event: Tick | Bar) -> tuple[object, ...]:
    """What an event says, without the moment at which a tick arrived."""
    if isinstance(event, Tick):
        return ("tick", event.symbol, event.price, event.volume)
    return ("bar", event.to_json())


def market_events(source: object, count: int = 400) -> list[tuple[object, ...]]:
    """The first ticks and bars."""
    found: list[tuple[object, ...]] = []
    with TvWSClient([WANTED], source=source, n_init_bars=20) as client:
        for event in client.stream():
            if isinstance(event, Tick | Bar):
                found.append(told(event))
                if len(found) == count:
                    break
    return found


def records(tape: Path) -> list[Record]:
    with TapeReader(tape) as reader:
        return list(reader)


def texts(tape: Path, kind: str) -> list[str]:
    return [record.text() for record in records(tape) if record.k == kind]


@contextlib.contextmanager
def scripted(connection: ScriptedConnection) -> Iterator[Listener]:
    with Listener(lambda: (connection, CLOCK)) as listener:
        yield listener


def through(proxy: Proxy, query: str = "", **options: object) -> WebSocketTransport:
    return connect(proxy.url + query, clock=CLOCK, timeout=20, **options)  # type: ignore[arg-type]


class Door:
    """A server that answers one request with these bytes, or with nothing, and keeps what it was asked."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.asked = b""
        self.to = f"ws://127.0.0.1:{self._socket.getsockname()[1]}"

    def _serve(self) -> None:
        with self._socket.accept()[0] as client:
            client.settimeout(20)
            while b"\r\n\r\n" not in self.asked:
                self.asked += client.recv(65_536)
            if self._answer:
                client.sendall(self._answer)
            else:
                client.recv(1)

    def __enter__(self) -> Door:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()


# --- what passes ----------------------------------------------------------------------------------------------------


def test_a_client_gets_through_the_proxy_what_it_gets_without_and_so_does_a_replay_of_the_tape(tmp_path: Path) -> None:
    tape = tmp_path / "s.jsonl"
    with FakeServer(seed=7, speed="max") as server, FakeServer(seed=7, speed="max") as twin:
        with Proxy(server.url, record=tape) as proxy:
            passed = market_events(proxy.url)
        assert passed == market_events(twin.url)
    assert market_events(tape) == passed
    with TvWSClient(source=tape) as client:
        whole = [told(event) for event in client.stream() if isinstance(event, Tick | Bar)]
    assert whole[: len(passed)] == passed


def test_messages_pass_to_the_letter_both_ways(tmp_path: Path) -> None:
    odd = ["", "~m~3~m~abc", "no frame", "\U0001f4c8 \u2028 " + "x" * 300_000, '~m~9~m~{"a": 1 }', "~m~4~m~~h~1"]
    with scripted(ScriptedConnection(echo=True)) as server:
        tape = tmp_path / "s.jsonl"
        with Proxy(f"ws://127.0.0.1:{server.port}", record=tape) as proxy:
            transport = through(proxy)
            for text in odd:
                transport.send(text)
            assert [transport.recv(20).text for _ in odd] == odd
            transport.close()
        assert texts(tape, "send") == odd
        assert texts(tape, "recv") == odd


def test_path_query_and_headers_are_the_clients() -> None:
    with Door(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n") as door, Proxy(door.to) as proxy:
        headers = [("User-Agent", "mine/1"), ("X-Odd", "a b"), ("Proxy-Authorization", "Basic eHg=")]
        with pytest.raises(ConnectFailed) as caught:
            connect(proxy.url + "?from=chart%2F&type=chart", clock=CLOCK, headers=headers, cookie="sessionid=x")
        assert caught.value.status == 403
        head, *lines = door.asked.decode().split("\r\n")
        assert head == "GET /socket.io/websocket?from=chart%2F&type=chart HTTP/1.1"
        assert {"Origin: https://www.tradingview.com", "User-Agent: mine/1", "X-Odd: a b", "Cookie: sessionid=x"} <= set(lines)
        assert f"Host: {door.to.removeprefix('ws://')}" in lines
        assert not any(line.lower().startswith("proxy-") for line in lines)


def test_an_origin_that_was_made_of_the_proxys_address_becomes_the_servers() -> None:
    with Door(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n") as door, Proxy(door.to) as proxy:
        with pytest.raises(ConnectFailed):
            connect(proxy.url, clock=CLOCK, origin=f"http://127.0.0.1:{proxy.port}")
        assert f"Origin: {door.to.replace('ws', 'http')}" in door.asked.decode().split("\r\n")


def test_who_sends_no_origin_is_given_none() -> None:
    with Door(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n") as door, Proxy(door.to) as proxy:
        with pytest.raises(ConnectFailed):
            connect(proxy.url, clock=CLOCK, origin=None)
        assert b"origin:" not in door.asked.lower()


# --- how it ends ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("code", "reason"), [(1000, "bye"), (4000, "stalled"), (1005, ""), (1006, "")])
def test_the_servers_goodbye_reaches_the_client_behind_all_that_it_said(code: int, reason: str, tmp_path: Path) -> None:
    connection = ScriptedConnection("last words")
    connection.hang_up(code, reason)
    tape = tmp_path / "s.jsonl"
    with scripted(connection) as server, Proxy(f"ws://127.0.0.1:{server.port}", record=tape) as proxy:
        transport = through(proxy)
        if code != 1006:  # a reset may overtake what was sent before it
            assert transport.recv(20).text == "last words"
        with pytest.raises(TransportClosed) as caught:
            while True:
                transport.recv(20)
        assert caught.value.code == code
        if code != 1006:
            assert caught.value.reason == reason
    closed = records(tape)[-1]
    assert (closed.k, closed.code, closed.by) == ("close", code, "server")


@pytest.mark.parametrize(("code", "reason"), [(1000, "bye"), (4000, "stalled: bytes for 25 s"), (1005, ""), (1006, "")])
def test_the_clients_goodbye_reaches_the_server_behind_all_that_it_said(code: int, reason: str, tmp_path: Path) -> None:
    connection = ScriptedConnection()
    tape = tmp_path / "s.jsonl"
    with scripted(connection) as server, Proxy(f"ws://127.0.0.1:{server.port}", record=tape) as proxy:
        transport = through(proxy)
        transport.send("last words")
        assert connection.next_heard(20) == "last words"
        transport.close(code, reason)
        with pytest.raises(TransportClosed) as caught:
            connection.next_heard(20)
        assert (caught.value.code, caught.value.reason) == (code, reason)
    closed = records(tape)[-1]
    assert (closed.k, closed.code, closed.reason, closed.by) == ("close", code, reason, "client")


def test_a_server_with_a_certificate_of_its_own_making_is_trusted_where_its_authority_is(tmp_path: Path) -> None:
    with FakeServer(seed=7, tls=True) as server:
        to = f"wss://127.0.0.1:{server.port}"
        with Proxy(to) as proxy, pytest.raises(ConnectFailed) as caught:
            through(proxy)
        assert caught.value.status == 502
        with Proxy(to, to_ca=server.ca_pem) as proxy:
            transport = through(proxy)
            assert '"session_id"' in transport.recv(20).text
            transport.close()


@pytest.mark.parametrize(
    ("to", "content", "said"),
    [
        ("wss://127.0.0.1:1", None, "No such file or directory; expected a PEM file of certificates"),
        ("wss://127.0.0.1:1", "no certificate", "expected a PEM file of certificates"),
        ("ws://127.0.0.1:1", "", "expected a wss:// server behind, not ws://127.0.0.1:1"),
    ],
)
def test_what_cannot_be_trusted_is_refused_at_once(to: str, content: str | None, said: str, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(InvalidPlan, match="to_ca .*ca.pem'") as caught:
        Proxy(to, to_ca=file)
    assert said in str(caught.value)


def test_a_proxy_that_stops_says_goodbye_to_both_sides_and_finishes_its_tape(tmp_path: Path) -> None:
    connection = ScriptedConnection("hello")
    tape = tmp_path / "s.jsonl"
    with scripted(connection) as server:
        with Proxy(f"ws://127.0.0.1:{server.port}", record=tape) as proxy:
            transport = through(proxy)
            assert transport.recv(20).text == "hello"
        for ask in (lambda: transport.recv(20), lambda: connection.next_heard(20)):
            with pytest.raises(TransportClosed) as caught:
                ask()
            assert caught.value.code == 1001
        proxy.close()
        with pytest.raises(ServerStartError, match="closed"):
            proxy.start()
    with TapeReader(tape) as reader:
        assert [(record.k, record.by) for record in reader] == [("open", ""), ("recv", ""), ("close", "server")]
        assert reader.torn == 0


def test_each_client_is_a_connection_of_its_own_on_the_tape(tmp_path: Path) -> None:
    tape = tmp_path / "s.jsonl"
    with scripted(ScriptedConnection(echo=True)) as server, Proxy(f"ws://127.0.0.1:{server.port}", record=tape) as proxy:
        for word in ("one", "two"):
            transport = through(proxy)
            transport.send(word)
            assert transport.recv(20).text == word
            transport.close()
        assert proxy.connections == 2
    assert [(record.c, record.text()) for record in records(tape) if record.k == "send"] == [(1, "one"), (2, "two")]


# --- who is not let in ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "status", "wait"),
    [
        (b"403 Forbidden\r\n", 403, None),
        (b"429 Too Many Requests\r\nRetry-After: 7\r\n", 429, 7.0),
        (b"520 Odd\r\n", 502, None),
        (b"200 OK\r\n", 502, None),
    ],
)
def test_a_refusal_is_passed_on(answer: bytes, status: int, wait: float | None) -> None:
    with Door(b"HTTP/1.1 " + answer + b"Content-Length: 0\r\n\r\n") as door, Proxy(door.to) as proxy:
        with pytest.raises(ConnectFailed) as caught:
            through(proxy)
        assert (caught.value.status, caught.value.retry_after) == (status, wait)


def test_a_server_that_is_not_there_is_a_bad_gateway_and_the_answer_says_why() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with Proxy(f"ws://127.0.0.1:{port}") as proxy:
        client = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=20)
        handshake = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
        client.request("GET", "/socket.io/websocket", headers={**handshake, "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="})
        answer = client.getresponse()
        assert (answer.status, answer.read().decode()) == (
            502,
            f"cannot connect to ws://127.0.0.1:{port}/socket.io/websocket: connection refused, nothing listens there\n",
        )
        client.close()
        # And our own client passes it on.
        with pytest.raises(ConnectFailed, match=f"HTTP 502 instead of a WebSocket handshake: 'cannot connect to ws://127.0.0.1:{port}/"):
            through(proxy)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"Content-Type: text/plain\r\nContent-Length: 14\r\n\r\nno\x1bway\nat all\n", r": 'no\x1bway'"),
        (b"Content-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>", ""),
        (b"Content-Type: text/plain\r\nContent-Length: 0\r\n\r\n", ""),
    ],
)
def test_of_an_answer_in_plain_text_a_client_shows_the_first_line(answer: bytes, said: str) -> None:
    with Door(b"HTTP/1.1 502 Bad Gateway\r\n" + answer) as door:
        with pytest.raises(ConnectFailed) as caught:
            connect(door.to, clock=CLOCK)
    assert caught.value.reason == f"HTTP 502 instead of a WebSocket handshake{said}"


def test_a_server_that_does_not_answer_is_a_gateway_timeout() -> None:
    with Door(b"") as door, Proxy(door.to, timeout=0.2) as proxy:
        with pytest.raises(ConnectFailed) as caught:
            through(proxy)
        assert caught.value.status == 504


@pytest.mark.parametrize(
    "to", ["fake", "s.jsonl", "http://x", "ws:/x", "ws://", "live:host=x/y", "ws://host/other/path", "ws://host/?query=1"]
)
def test_what_is_no_server_is_refused(to: str) -> None:
    with pytest.raises(InvalidSource):
        Proxy(to)


@pytest.mark.parametrize("to", ["ws://me:canary@host", "http://me:canary@host", "wss://me:canary@host:99999", "ws://host/?token=canary"])
def test_a_secret_in_an_address_that_is_refused_is_not_shown(to: str) -> None:
    with pytest.raises(InvalidSource, match="host") as caught:
        Proxy(to)
    assert "canary" not in str(caught.value)


def test_only_who_asks_for_it_reaches_the_real_service() -> None:
    assert Proxy("live").to == "wss://data.tradingview.com"
    assert Proxy("live:host=prodata").to == "wss://prodata.tradingview.com"
    with pytest.raises(InvalidPlan, match="port 70000"):
        Proxy("live", port=70_000)


# --- secrets and files ----------------------------------------------------------------------------------------------


def test_no_secret_reaches_the_tape(tmp_path: Path) -> None:
    tape, cookie = tmp_path / "s.jsonl", "0123456789abcdef0123"
    auth = framing.packet(f'{{"m":"set_auth_token","p":["{SECRET}"]}}')
    with scripted(ScriptedConnection(echo=True)) as server, Proxy(f"ws://127.0.0.1:{server.port}", record=tape) as proxy:
        transport = through(proxy, f"?auth_token={SECRET}", cookie=f"theme=dark; sessionid={cookie}")
        for message in (auth, f"dark {cookie}"):
            transport.send(message)
            assert transport.recv(20).text == message
        transport.close()
    found = tape.read_text()
    assert SECRET not in found
    assert cookie not in found
    assert "dark redacted-" in found


def test_an_existing_tape_is_kept_unless_it_is_to_be_replaced(tmp_path: Path) -> None:
    tape = tmp_path / "s.jsonl"
    tape.write_text("precious")
    with pytest.raises(TapeWriteError, match="exists already"):
        Proxy("live", record=tape)
    Proxy("live", record=tape, overwrite=True).close()
    assert records(tape) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_where_nothing_can_be_recorded_nothing_passes() -> None:
    connection = ScriptedConnection("x" * 1000)
    with scripted(connection) as server, pytest.raises(TapeWriteError, match="No space"):
        Proxy(f"ws://127.0.0.1:{server.port}", record="/dev/full", overwrite=True)


def test_a_disk_that_fills_up_ends_the_connections_and_keeps_what_was_recorded(tmp_path: Path) -> None:
    tape = tmp_path / "s.jsonl"
    connection = ScriptedConnection(echo=True)
    code = (
        "import resource, sys\n"
        "from tvstreamer.__main__ import main\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "sys.exit(main())"
    )
    with scripted(connection) as server:
        words = ["proxy", "--to", f"ws://127.0.0.1:{server.port}", "--record", str(tape), "--duration", "20"]
        with started([sys.executable, "-c", code, *words]) as (process, url):
            transport = connect(url, clock=CLOCK)
            with pytest.raises(TransportClosed):
                while True:
                    transport.send("y" * 1000)
                    transport.recv(20)
            assert process.wait(20) == 6
            assert process.stderr is not None
            assert "the recording stopped after" in process.stderr.read().decode()
    assert records(tape)[0].k == "open"


# --- faults ---------------------------------------------------------------------------------------------------------


def test_a_plan_disturbs_both_ways_and_the_tape_has_what_the_client_saw(tmp_path: Path) -> None:
    plan_file, tape = tmp_path / "plan.toml", tmp_path / "s.jsonl"
    plan_file.write_text(
        '[[fault]]\nkind = "refuse"\nconnection = 1\nstatus = 429\nretry_after = "1s"\n'
        '[[fault]]\nkind = "drop"\ndirection = "upstream"\nafter = 1\ntimes = 1\n'
        '[[fault]]\nkind = "duplicate"\nafter = 1\ntimes = 1\n'
        '[[fault]]\nkind = "close"\ncode = 4000\nafter = 4\n'
    )
    connection = ScriptedConnection(echo=True)
    with (
        scripted(connection) as server,
        Proxy(f"ws://127.0.0.1:{server.port}", record=tape, faults=load_plan(plan_file)) as proxy,
    ):
        with pytest.raises(ConnectFailed) as refused:
            through(proxy)
        assert (refused.value.status, refused.value.retry_after) == (429, 1.0)
        transport = through(proxy)
        for word in ("one", "lost", "two", "three"):
            transport.send(word)
        heard = []
        with pytest.raises(TransportClosed) as caught:
            while True:
                heard.append(transport.recv(20).text)
        assert heard == ["one", "two", "two", "three"]
        assert caught.value.code == 4000
        assert [each.kind for each in proxy.fired] == ["refuse", "drop", "duplicate", "close"]
    assert texts(tape, "recv") == heard
    assert texts(tape, "send") == ["one", "lost", "two", "three"]


def test_faults_of_bytes_reach_the_client(tmp_path: Path) -> None:
    tape = tmp_path / "s.jsonl"
    plan = FaultPlan([faults.slicer(average_size=2, delay=0.0), faults.reset_mid_frame(after=1)])
    connection = ScriptedConnection("whole", "torn")
    with scripted(connection) as server, Proxy(f"ws://127.0.0.1:{server.port}", record=tape, faults=plan) as proxy:
        transport = through(proxy)
        assert transport.recv(20).text == "whole"
        with pytest.raises(TransportClosed) as caught:
            transport.recv(20)
        assert caught.value.code == 1006
    assert texts(tape, "recv") == ["whole"]


def test_our_client_comes_back_through_a_proxy_that_breaks_its_connection(tmp_path: Path) -> None:
    tape = tmp_path / "s.jsonl"
    plan = FaultPlan([faults.close(after=30, connection=1)])
    seen: list[Event] = []
    with FakeServer(seed=7, speed="max") as server, Proxy(server.url, record=tape, faults=plan) as proxy:
        with TvWSClient([WANTED], source=proxy.url, n_init_bars=20) as client:
            for event in client.stream():
                seen.append(event)
                if isinstance(event, Bar) and any(isinstance(each, Disconnected) for each in seen):
                    break
    assert [event.connection for event in seen if isinstance(event, Connected)] == [1, 2]
    assert {record.c for record in records(tape)} == {1, 2}


# --- the command ----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def started(command: list[str]) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A running command, and the address that it prints."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TVSTREAMER_")}
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment | {"PYTHONPATH": str(SRC)},
    )
    watch = threading.Timer(40, process.kill)
    watch.start()
    with process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().decode().strip()
        finally:
            watch.cancel()
            if process.poll() is None:
                process.kill()


def proxying(*words: object) -> list[str]:
    return [sys.executable, "-m", "tvstreamer", "proxy", *map(str, words)]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -9)])
def test_however_the_command_ends_its_tape_can_be_read(number: int, code: int, tmp_path: Path) -> None:
    tape = tmp_path / "s.jsonl"
    with scripted(ScriptedConnection(echo=True)) as server:
        words = ("--to", f"ws://127.0.0.1:{server.port}", "--record", tape)
        with started(proxying(*words)) as (process, url):
            transport = connect(url, clock=CLOCK)
            transport.send("kept")
            assert transport.recv(20).text == "kept"
            # What has come goes to the file once nothing follows for a moment.
            deadline = time.monotonic() + 20
            while b"kept" not in tape.read_bytes():
                assert time.monotonic() < deadline
                with contextlib.suppress(TimeoutError):
                    transport.recv(0.05)
            process.send_signal(number)
            assert process.wait(20) == code
            transport.close()
    with TapeReader(tape) as reader:
        kinds = [record.k for record in reader]
    assert kinds == ["open", "send", "recv"] + ([] if number == signal.SIGKILL else ["close"])


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((), 2),
        (("--to", "nowhere"), 2),
        (("--to", "ws://127.0.0.1:1", "--rotate", "1MB"), 2),
        (("--to", "ws://127.0.0.1:1", "--record", "-"), 2),
        (("--to", "ws://127.0.0.1:1", "--faults", "missing.toml"), 2),
        (("--to", "ws://127.0.0.1:1", "--record", "no/such/folder/s.jsonl"), 6),
    ],
)
def test_wrong_usage_is_one_line_with_its_exit_code(words: tuple[str, ...], code: int, tmp_path: Path) -> None:
    run = subprocess.run(
        proxying(*words), check=False, capture_output=True, timeout=40, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(SRC)}
    )
    assert (run.returncode, run.stderr.count(b"\n")) == (code, 1), run.stderr
    assert run.stderr.startswith(b"tvstreamer: ")
