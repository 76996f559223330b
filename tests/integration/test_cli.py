"""The command as its users run it: what it prints where, what it leaves in files, and which exit code says what."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tvstreamer.cli.table import COMMANDS
from tvstreamer.clock import SystemClock
from tvstreamer.protocol import framing
from tvstreamer.server.listener import Listener
from tvstreamer.testing.scripted import ScriptedConnection
from tvstreamer.transports.websocket_client import connect

SRC = Path(__file__).resolve().parents[2] / "src"
SYMBOL = "BINANCE:BTCUSDT"
FAKE = "fake:seed=7,speed=max"
SECRET = "eyJhbGciOi.a-secret-of-the-user.c2lnbmF0dXJl"
HELLO = framing.packet('{"session_id":"0.1.2_x-1","timestampMs":1755702000000}')
TIMEOUT = 30
FULL = Path("/dev/full")

needs_full_device = pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full here")


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TVSTREAMER_")}
    return kept | {"PYTHONPATH": str(SRC), "COLUMNS": "200"} | more


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "tvstreamer", *map(str, words)]


def run(*words: object, stdout: object = subprocess.PIPE, **more: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(  # type: ignore[call-overload, no-any-return]
        command(*words),
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        timeout=TIMEOUT,
        env=environment(**more),
    )


def done(*words: object, **more: str) -> bytes:
    """The output of a command that succeeds."""
    result = run(*words, **more)
    assert result.returncode == 0, result.stderr
    output: bytes = result.stdout
    return output


def complaint(code: int, *words: object, stdout: object = subprocess.PIPE, **more: str) -> str:
    """The one line that a command says when it fails with this exit code."""
    result = run(*words, stdout=stdout, **more)
    text: str = result.stderr.decode()
    assert result.returncode == code, text
    assert text.startswith("tvstreamer: "), text
    assert text.count("\n") == 1, text
    return text


@contextmanager
def running(*words: object, **more: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        command(*words),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(**more),
        bufsize=0,  # or `communicate` would miss what `readline` has read ahead
    )
    # A line that never comes must not be waited for for ever.
    watch = threading.Timer(TIMEOUT, process.kill)
    watch.start()
    try:
        with process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.kill()
    finally:
        watch.cancel()


@contextmanager
def serving(*words: object, **more: str) -> Iterator[str]:
    with running("serve", *words, **more) as process:
        assert process.stdout is not None
        yield process.stdout.readline().decode().strip()


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """A tape of a fake market, and the events written while it was recorded."""
    folder = tmp_path_factory.mktemp("recorded")
    tape, events = folder / "s.jsonl", folder / "e.jsonl"
    done("record", "--source", FAKE, "-s", SYMBOL, "-i", "1", "--max-events", 500, "-o", tape, "--events", events)
    return tape, events.read_bytes()


@pytest.fixture
def server() -> Iterator[str]:
    # For each test its own: `running` ends what has run for long, however busy the machine was.
    with serving("--speed", "60", "--seed", "7") as url:
        yield url


# --- recording and replaying ----------------------------------------------------------------------------------------


def test_a_replay_prints_the_recorded_events_byte_for_byte_each_time(recorded: tuple[Path, bytes]) -> None:
    tape, events = recorded
    assert events.count(b"\n") >= 500
    assert [done("replay", tape), done("replay", tape)] == [events, events]


def test_two_recordings_with_the_same_seed_are_equal(recorded: tuple[Path, bytes], tmp_path: Path) -> None:
    tape, events = recorded
    printed = done(
        "record", "--source", FAKE, "-s", SYMBOL, "-i", "1", "--max-events", 500, "-o", tmp_path / "t", "--events", "-"
    )
    assert (tmp_path / "t").read_bytes() == tape.read_bytes()
    assert printed == events


def test_the_digest_is_the_sha256_of_the_json_lines(recorded: tuple[Path, bytes]) -> None:
    tape, events = recorded
    assert done("replay", tape, "--digest").decode().split() == [hashlib.sha256(events).hexdigest()]


def test_a_replay_can_begin_late_and_end_early(recorded: tuple[Path, bytes]) -> None:
    tape, events = recorded
    early, late = done("replay", tape, "--to", "6"), done("replay", tape, "--from", "6")
    assert early
    assert late
    assert events.startswith(early)
    assert events.endswith(late)
    assert early.count(b"\n") + late.count(b"\n") <= events.count(b"\n")


def test_a_torn_tape_is_replayed_and_reported(recorded: tuple[Path, bytes], tmp_path: Path) -> None:
    tape, events = recorded
    torn = tmp_path / "torn.jsonl"
    torn.write_bytes(tape.read_bytes()[:-400])
    result = run("replay", torn)
    assert result.returncode == 0
    assert result.stdout
    assert events.startswith(result.stdout)
    assert b"torn; dropped what is not whole of the last" in result.stderr
    assert result.stderr.count(b"\n") == 1


def test_market_events_alone_are_those_without_the_status_ones(recorded: tuple[Path, bytes]) -> None:
    tape, events = recorded
    market = done("replay", tape, "--events", "market").splitlines()
    everything = events.splitlines()
    status = {json.loads(line)["type"] for line in set(everything) - set(market)}
    assert "connected" in status
    assert status.isdisjoint({"tick", "bar", "quote"})
    assert market == [line for line in everything if json.loads(line)["type"] not in status]


def test_csv_has_a_header_for_each_kind_and_a_line_for_each_event(recorded: tuple[Path, bytes]) -> None:
    tape, events = recorded
    lines = done("replay", tape, "--format", "csv", "--events", "all").decode().splitlines()
    kinds = {json.loads(line)["type"] for line in events.splitlines()}
    headers = [line for line in lines if line.startswith("type,")]
    assert (len(headers), len(lines)) == (len(kinds), len(kinds) + events.count(b"\n"))
    assert any(line.startswith(f"tick,{SYMBOL},") for line in lines)


def test_a_table_has_one_line_for_each_event(recorded: tuple[Path, bytes]) -> None:
    tape, events = recorded
    lines = done("replay", tape, "--format", "table").decode().splitlines()
    assert len(lines) == events.count(b"\n")
    assert lines[0] == f"{'2025-08-20T15:00:00.000+00:00':<29}  {'connected':<16}  {'':<24}  connection=1"


def test_a_duration_is_counted_on_the_source_clock(tmp_path: Path) -> None:
    tape = tmp_path / "t.jsonl"
    done("record", "--source", FAKE, "-s", SYMBOL, "--duration", "20", "-o", tape)
    times = [json.loads(line).get("t", 0) / 1e9 for line in tape.read_text().splitlines()]
    assert 15 < max(times) <= 20


def test_a_log_becomes_a_tape(tmp_path: Path) -> None:
    log, tape = tmp_path / "log.txt", tmp_path / "tape.jsonl"
    log.write_text(f"started\nWS RX {HELLO}\nWS RX ~m~4~m~~h~1\nWS TX ~m~4~m~~h~1\n")
    result = run("import", "log", log, "-o", tape)
    assert (result.returncode, result.stdout) == (0, b"")
    assert b"3 messages" in result.stderr
    assert [json.loads(line)["type"] for line in done("replay", tape).splitlines()] == ["connected"]


# --- over a socket --------------------------------------------------------------------------------------------------


def test_a_served_market_can_be_streamed_asked_and_quoted(server: str) -> None:
    streamed = done("stream", "--source", server, "-s", SYMBOL, "-i", "1", "--events", "market", "--max-events", 310)
    assert {json.loads(line)["type"] for line in streamed.splitlines()} >= {"bar", "symbol_info"}
    bars = [json.loads(line) for line in done("history", "--source", server, "-s", SYMBOL, "-i", "5", "-n", 7).splitlines()]
    assert [bar["interval"] for bar in bars] == ["5"] * 7
    quotes = done("quote", "--source", server, "-s", SYMBOL, "-s", "NASDAQ:AAPL").splitlines()
    assert {json.loads(line)["symbol"] for line in quotes} == {SYMBOL, "NASDAQ:AAPL"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_recording_is_complete(server: str, tmp_path: Path, number: signal.Signals) -> None:
    tape = tmp_path / "t.jsonl"
    with running("record", "--source", server, "-s", SYMBOL, "-i", "1", "-o", tape, "--events", "-") as process:
        assert process.stdout is not None
        first = [process.stdout.readline() for _ in range(20)]
        process.send_signal(number)
        rest, words = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 130, words
    assert b"Traceback" not in words
    assert f"recorded {tape}".encode() in words
    assert json.loads(tape.read_bytes().splitlines()[-1])["k"] == "end"
    assert done("replay", tape) == b"".join(first) + rest


def test_markets_are_served_by_pattern(tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    path.write_text("time,open,high,low,close\n" + "".join(f"{60 * n},{n},{n},{n},{n}\n" for n in range(20)))
    with serving("--market", f"BINANCE:*={path}", "--market", "NASDAQ:*=fake:seed=3", "--start", "1970-01-01T00:10") as address:
        bars = [json.loads(line) for line in done("history", "--source", address, "-s", SYMBOL, "-i", "5", "-n", 9).splitlines()]
        assert [bar["time"] for bar in bars] == [0, 300, 600]


def test_an_interrupted_server_says_so_with_its_exit_code() -> None:
    with running("serve") as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"ws://127.0.0.1:")
        process.send_signal(signal.SIGTERM)
        _, words = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 130
    assert b"Traceback" not in words


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_history_ends_at_once(number: signal.Signals) -> None:
    clock, connection = SystemClock(), ScriptedConnection(HELLO)
    with Listener(lambda: (connection, clock)) as silent:
        with running("history", "--source", silent.url, "-s", SYMBOL, "-i", "1", "--timeout", "600") as process:
            while "create_series" not in connection.next_heard(TIMEOUT):
                pass
            process.send_signal(number)
            output, words = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, output, words) == (130, b"", b"")


def test_an_interrupted_demo_ends_at_once() -> None:
    with running("demo", PYTHONUNBUFFERED="1") as process:
        assert process.stdout is not None
        assert [process.stdout.readline()[:2] for _ in range(2)] == [b"1.", b"2."]
        process.send_signal(signal.SIGINT)
        output, words = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, output, words) == (130, b"", b"")


def test_a_server_with_tls_is_streamed_from_by_who_trusts_it(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    # What is made up lies in the folder of this test: a process that is killed leaves it there.
    with running("serve", "--tls", "--tls-ca", ca, TMPDIR=str(tmp_path)) as process:
        assert process.stdout is not None
        url = process.stdout.readline().decode().strip()
        assert url.startswith("wss://127.0.0.1:")
        client = ssl.create_default_context(cafile=ca)
        connect(url, clock=SystemClock(), ssl_context=client).close()
        assert len(done("search", "aapl", "--source", url, SSL_CERT_FILE=str(ca)).splitlines()) == 1
        assert "certificate not accepted" in complaint(4, "search", "aapl", "--source", url)


def test_a_server_is_steered_by_who_has_the_token_that_it_prints() -> None:
    with running("serve", "--control", "0", "--duration", "60") as process:
        assert process.stderr is not None
        line = next(line for line in iter(process.stderr.readline, b"") if line.startswith(b"control: "))
        _, address, _, token = line.decode().split()
        request = urllib.request.Request(f"{address}/pause", method="POST", headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request, timeout=20) as answer:
            assert json.loads(answer.read())["time"] > 0
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(f"{address}/journal", timeout=20)


def test_a_served_site_is_searched_and_lets_in_who_has_a_session() -> None:
    session = {"TVSTREAMER_SESSIONID": "canary-1", "TVSTREAMER_SESSIONID_SIGN": "v1:canary-2"}
    with serving("--seed", "7") as url:
        [row] = done("search", "btcusdt", "--exchange", "BINANCE", "--limit", "1", "--source", url).splitlines()
        assert json.loads(row)["symbol"] == SYMBOL
        quotes = done("quote", "--source", url, "-s", SYMBOL, "--auth", "session", **session)
        assert len(quotes.splitlines()) == 1
        assert "does not know this session" in complaint(
            4, "quote", "--source", url, "-s", SYMBOL, "--auth", "session", TVSTREAMER_SESSIONID="canary-1"
        )


@pytest.mark.parametrize(("state", "said"), [("forbidden", "HTTP 403"), ("captcha", "asks for a human"), ("down", "HTTP 503")])
def test_a_site_that_is_served_in_another_state_is_told_in_a_line(state: str, said: str) -> None:
    with serving("--site", state) as url:
        assert said in complaint(4, "search", "btc", "--source", url)


def test_a_served_tape_answers_what_was_recorded(recorded: tuple[Path, bytes]) -> None:
    with serving(recorded[0], "--speed", "max") as url:
        lines = done("stream", "--source", url, "-s", SYMBOL, "-i", "1", "--events", "market", "--max-events", 100).splitlines()
    assert set(lines) <= set(recorded[1].splitlines())
    assert len(lines) >= 90


def test_what_goes_wrong_in_a_server_is_told_once_for_each_connection(recorded: tuple[Path, bytes], tmp_path: Path) -> None:
    tape = tmp_path / "broken.jsonl"
    lines = recorded[0].read_bytes().splitlines(keepends=True)
    tape.write_bytes(b"".join([*lines[:40], b"no record\n", *lines[40:]]))
    with running("serve", tape, "--speed", "max") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        url = process.stdout.readline().decode().strip()
        for _ in range(2):
            stream = run("stream", "--source", url, "-s", SYMBOL, "-i", "1", "--reconnect", "off")
            assert stream.returncode == 4, stream.stderr
        assert process.stderr.readline() == f"serving {tape}; Ctrl-C stops\n".encode()
        said = [process.stderr.readline().decode() for _ in range(2)]
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == b""
    assert said == [f"tvstreamer: connection {number} failed: {tape}:41: not a record: b'no record'\n" for number in (1, 2)]


def test_a_refused_token_is_never_shown(server: str, tmp_path: Path) -> None:
    tape = tmp_path / "t.jsonl"
    words = ["record", "--source", server, "-s", SYMBOL, "-o", tape, "--events", "-", "--max-events", 5]
    result = run(*words, TVSTREAMER_TOKEN=SECRET, TVSTREAMER_LOG="DEBUG")
    assert result.returncode == 4, result.stderr
    assert b"Traceback" not in result.stderr
    assert result.stderr.splitlines()[-1].startswith(b"tvstreamer: ")
    for text in (result.stdout, result.stderr, tape.read_bytes()):
        assert SECRET.encode() not in text
        assert b"a-secret-of-the-user" not in text


def test_a_token_that_the_server_was_told_of_is_accepted() -> None:
    with serving("--seed", "7", TVSTREAMER_SERVER_TOKENS=f"another-token {SECRET}") as url:
        words = ["quote", "--source", url, "-s", SYMBOL]
        assert len(done(*words, TVSTREAMER_TOKEN=SECRET).splitlines()) == 1
        assert "bad auth token" in complaint(4, *words, TVSTREAMER_TOKEN=f"{SECRET}-but-not-this")


def test_the_demo_ends_with_three_equal_runs(tmp_path: Path) -> None:
    output = done("demo", "--keep", tmp_path / "kept.jsonl").decode()
    assert "The three are identical, byte for byte." in output
    assert done("replay", tmp_path / "kept.jsonl", "--digest").decode()[:32] in output


# --- exit codes -----------------------------------------------------------------------------------------------------


def test_a_symbol_that_is_not_on_the_tape_exits_with_1(recorded: tuple[Path, bytes]) -> None:
    assert SYMBOL in complaint(1, "stream", "--source", recorded[0], "-s", "OTHER:SYM")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["stream", "--source", FAKE, "-s", SYMBOL, "-i", "7Q"], "7Q"),
        (["stream", "--source", FAKE, "-s", "BTCUSDT"], "EXCHANGE:TICKER"),
        (["stream", "--source", FAKE, "-s", f"{SYMBOL}{{session=weird}}"], "'weird': expected one of regular, extended"),
        (["stream", "--source", FAKE, "-s", SYMBOL, "-n", "0"], "above 0"),
        (["stream", "--source", "fake:colour=red", "-s", SYMBOL], "colour"),
        (["stream", "--source", FAKE], "--symbol"),
        (["record", "--source", FAKE, "-o", "never-written"], "--symbol"),
        (["quote", "--source", FAKE], "--symbol"),
        (["record", "--source", FAKE, "-s", SYMBOL], "--output"),
        (["record", "--source", FAKE, "-s", SYMBOL, "-o", "./e.jsonl", "--events", "e.jsonl"], "another file than that of the tape"),
        (["stream", "--source", "ws://127.0.0.1:99999/", "-s", SYMBOL], "the port up to 65535"),
        (["serve", "no-such-tape"], "no-such-tape"),
        (["serve", "bars.csv"], "bars are a market: --market bars.csv"),
        (["serve", "."], "a directory"),
        (["serve", "--plan", "gold"], "expected one of anonymous, free"),
        (["serve", "--tls-ca", "ca.pem"], "--tls with it"),
        (["serve", "--tls-cert", "cert.pem"], "expected both"),
        (["serve", "--tls", "--tls-ca", "no/such/folder/ca.pem"], "can be written"),
        (["serve", "s.jsonl", "--source", "fake"], "one of them"),
        (["serve", "s.jsonl", "--seed", "7"], "--seed 7"),
        (["serve", "--source", "fake:seed=1", "--seed", "7"], "one of them"),
        (["serve", "--market", "a=b"], "market 'a=b': expected PATTERN=MARKET"),
        (["serve", "--market", "absent.csv"], "absent.csv: No such file"),
        (["serve", "--market", "fake", "--start", "soon"], "--start 'soon': expected seconds since the epoch"),
        (["serve", "--market", "fake", "--source", "fake"], "--market 'fake' and 'fake': expected one of them"),
    ],
    ids=lambda value: None if isinstance(value, str) else " ".join(value),
)
def test_wrong_usage_exits_with_2(words: list[str], said: str) -> None:
    assert said in complaint(2, *words)


def test_a_replay_that_would_end_before_it_begins_is_refused(recorded: tuple[Path, bytes]) -> None:
    assert "begin 10.0 and end 5.0: expected" in complaint(2, "replay", recorded[0], "--from", "10", "--to", "5")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no such file"),
        ("", "empty"),
        ("hello\n", "not a tape"),
        ('{"tape":99}\n', "99"),
    ],
    ids=["absent", "empty", "not a tape", "newer"],
)
def test_an_unreadable_tape_exits_with_3(tmp_path: Path, content: str | None, said: str) -> None:
    tape = tmp_path / "tape.jsonl"
    if content is not None:
        tape.write_text(content)
    assert said in complaint(3, "replay", tape)


def test_a_directory_or_device_in_place_of_a_tape_is_called_what_it_is(tmp_path: Path) -> None:
    assert f"{tmp_path}: a directory, expected a tape" in complaint(3, "replay", tmp_path)
    assert f"{os.devnull}: not a regular file, expected a tape" in complaint(3, "replay", os.devnull)


def test_an_unreadable_log_exits_with_3(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    assert "No such file" in complaint(3, "import", "log", log, "-o", tmp_path / "tape")
    log.write_text("nothing of interest\n")
    assert "WS RX" in complaint(3, "import", "log", log, "-o", tmp_path / "tape")
    assert not (tmp_path / "tape").exists()


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs a file that does not end")
def test_a_log_that_does_not_end_exits_with_3(tmp_path: Path) -> None:
    problem = complaint(3, "import", "log", "/dev/zero", "-o", tmp_path / "tape")
    assert problem == "tvstreamer: /dev/zero:1: a line of more than 67108864 characters\n"


def test_a_refused_connection_exits_with_4() -> None:
    with socket.create_server(("127.0.0.1", 0)) as once:
        port = once.getsockname()[1]
    assert str(port) in complaint(4, "stream", "--source", f"ws://127.0.0.1:{port}/", "-s", SYMBOL)


def test_a_taken_port_exits_with_4() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert str(port) in complaint(4, "serve", "--port", port)


def test_a_quote_that_does_not_come_exits_with_5() -> None:
    clock = SystemClock()
    with Listener(lambda: (ScriptedConnection(HELLO), clock)) as silent:
        assert SYMBOL in complaint(5, "quote", "--source", silent.url, "-s", SYMBOL, "--timeout", "0.5")
        assert "0.5" in complaint(5, "history", "--source", silent.url, "-s", SYMBOL, "-i", "1", "--timeout", "0.5")


def test_an_output_that_cannot_be_written_exits_with_6(recorded: tuple[Path, bytes], tmp_path: Path) -> None:
    tape = recorded[0]
    before = tape.read_bytes()
    words = ["record", "--source", FAKE, "-s", SYMBOL, "--max-events", 5, "-o"]
    assert "exists already; expected a new name, or overwrite=True, --overwrite" in complaint(6, *words, tape)
    assert tape.read_bytes() == before
    assert "No such file" in complaint(6, *words, tmp_path / "absent" / "tape")
    assert "No such file" in complaint(6, *words, tmp_path / "tape", "--events", tmp_path / "absent" / "events")


@needs_full_device
def test_a_full_disk_exits_with_6(recorded: tuple[Path, bytes], tmp_path: Path) -> None:
    words = ["record", "--source", FAKE, "-s", SYMBOL, "--max-events", 5, "-o"]
    assert "No space left" in complaint(6, *words, FULL, "--overwrite")
    assert "No space left" in complaint(6, *words, tmp_path / "tape", "--events", FULL)


@needs_full_device
@pytest.mark.parametrize("words", [["replay"], ["replay", "--digest"], ["--version"], ["--help"]], ids=" ".join)
def test_a_full_standard_output_exits_with_6(recorded: tuple[Path, bytes], words: list[str]) -> None:
    with FULL.open("wb") as full:
        more = [recorded[0]] if words[0] == "replay" else []
        assert "standard output" in complaint(6, *words, *more, stdout=full)


def test_a_reader_that_has_seen_enough_is_no_error(recorded: tuple[Path, bytes]) -> None:
    with running("replay", recorded[0]) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b'{"type":"connected"')
        process.stdout.close()
        words = process.stderr.read()
        assert process.wait(timeout=TIMEOUT) == 0
    assert words == b""


@pytest.mark.parametrize("words", [["--version"], ["stream", "--help"]], ids=" ".join)
def test_help_that_nobody_reads_is_no_error(words: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        result = run(*words, stdout=writing)
    finally:
        os.close(writing)
    assert (result.returncode, result.stderr) == (0, b"")


@pytest.mark.skipif(os.name != "posix", reason="closes descriptors with a shell")
def test_a_closed_standard_output_exits_with_6(recorded: tuple[Path, bytes]) -> None:
    script = ["sh", "-c", '"$@" >&-', "sh", *command("replay", recorded[0])]
    result = subprocess.run(script, check=False, stderr=subprocess.PIPE, timeout=TIMEOUT, env=environment())
    assert (result.returncode, result.stderr.count(b"\n")) == (6, 1)
    assert b"closed" in result.stderr


@pytest.mark.skipif(os.name != "posix", reason="closes descriptors with a shell")
def test_a_closed_standard_error_leaves_the_output_alone(tmp_path: Path) -> None:
    words = command("record", "--source", FAKE, "-s", SYMBOL, "--max-events", 5, "-o", tmp_path / "t", "--events", "-")
    script = ["sh", "-c", '"$@" 2>&-', "sh", *words]
    result = subprocess.run(script, check=False, stdout=subprocess.PIPE, timeout=TIMEOUT, env=environment())
    assert result.returncode == 0
    assert result.stdout == done("replay", tmp_path / "t")


# --- help -----------------------------------------------------------------------------------------------------------


def test_the_version_is_told() -> None:
    from tvstreamer import __version__

    assert done("--version").decode() == f"tvstreamer {__version__}\n"


def test_help_names_every_command() -> None:
    text = done("--help").decode()
    assert [each.name for each in COMMANDS if each.name not in text] == []
    assert "Exit codes:" in text
