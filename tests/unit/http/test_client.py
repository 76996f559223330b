"""`HttpClient`: what is asked, where a cookie goes, and what comes of every way in which a request can fail."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import json
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import pytest

from tvstreamer import Credentials, FakeServer, TvWSClient, VirtualClock
from tvstreamer.errors import (
    AuthError,
    ConnectFailed,
    CredentialsNotFound,
    InvalidPlan,
    InvalidSource,
    LocalProtocolError,
    MissingDependencyError,
    RemoteProtocolError,
    ServerError,
    TokenRefreshFailed,
    TransportTimeout,
    TvError,
)
from tvstreamer.http import HttpClient
from tvstreamer.lifetimes import Watch, watch_with

COOKIE = "sessionid=canary-9d41; sessionid_sign=v1:canary-77aa"
SESSION = Credentials(cookie=COOKIE)
JSON = ("Content-Type", "application/json; charset=utf-8")
HTML = ("Content-Type", "text/html")
Reply = tuple[int, Sequence[tuple[str, str]], bytes]
EMPTY = b'{"symbols_remaining":0,"symbols":[]}'


class Scripted:
    """A server whose answers are given; `asked` is what it was asked."""

    def __init__(self, *replies: Reply | Callable[[], Reply]) -> None:
        self._replies = itertools.chain(replies[:-1], itertools.repeat(replies[-1]))
        self.asked: list[tuple[str, str, dict[str, str]]] = []

    def answer_http(self, method: str, target: str, headers: Sequence[tuple[str, str]] = (), body: bytes = b"") -> Reply:
        self.asked.append((method, target, dict(headers)))
        reply = next(self._replies)
        return reply() if callable(reply) else reply


def client(*replies: Reply | Callable[[], Reply], **options: Any) -> HttpClient:
    return HttpClient(Scripted(*replies), auth=SESSION, **options)


def page(*tickers: str, remaining: int = 0) -> Reply:
    rows = [{"symbol": ticker, "exchange": "X", "description": "", "type": "stock"} for ticker in tickers]
    return 200, [JSON], json.dumps({"symbols_remaining": remaining, "symbols": rows}).encode()


# --- search -----------------------------------------------------------------------------------------------------------


def test_a_search_asks_for_pages_as_they_are_needed() -> None:
    server = Scripted(page("A", "B", remaining=3), page("C", "D", remaining=1), page("E"))
    with HttpClient(server) as http:
        rows = http.search("x", type="stock")
        assert server.asked == []
        assert [next(rows).ticker for _ in range(2)] == ["A", "B"]
        assert len(server.asked) == 1
        assert [row.ticker for row in rows] == ["C", "D", "E"]
    assert [httpx.URL(target).params["start"] for _, target, _ in server.asked] == ["0", "2", "4"]


@pytest.mark.parametrize(("limit", "pages"), [(1, 1), (2, 1), (3, 2)])
def test_a_limit_ends_a_search_and_no_page_more_is_asked_for(limit: int, pages: int) -> None:
    server = Scripted(page("A", "B", remaining=2), page("C", "D"))
    with HttpClient(server) as http:
        assert len(list(http.search(limit=limit))) == limit
    assert len(server.asked) == pages


@pytest.mark.parametrize("second", [page(remaining=2), page("C", remaining=2), page("C", remaining=3)])
def test_a_search_that_would_never_end_is_an_error(second: Reply) -> None:
    with client(page("A", remaining=2), second) as http, pytest.raises(RemoteProtocolError, match="rows remain behind a page of"):
        list(http.search())


def test_the_fake_market_is_searched_to_the_end() -> None:
    with HttpClient(FakeServer(seed=7)) as http:
        first = http.search_page()
        assert (len(first.matches), first.start) == (50, 0)
        rows = list(http.search())
        assert len(rows) == len({row.symbol for row in rows}) == 50 + first.remaining
        assert http.search_page(start=50).matches == tuple(rows[50:100])
        assert [row.symbol for row in http.search("aapl", exchange="nasdaq")] == ["NASDAQ:AAPL"]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda http: http.search(limit=0), "limit 0: expected"),
        (lambda http: http.search(type="shares"), "type 'shares'"),
        (lambda http: http.search(kind="stock"), "filter 'kind': expected some of type, exchange, country"),
        (lambda http: http.search_page(start=-1), "start -1: expected"),
    ],
)
def test_a_wrong_argument_is_told_where_it_is_given(call: Callable[[HttpClient], object], said: str) -> None:
    with client(page("A")) as http, pytest.raises(InvalidPlan, match=said):
        call(http)


# --- the token --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loopback", [False, True], ids=["in-memory", "loopback"])
def test_a_token_from_cookies_streams_and_is_renewed(loopback: bool) -> None:
    with FakeServer(seed=7, speed=1) as server, HttpClient(server.url if loopback else server, auth=SESSION) as http:
        tokens: list[str] = []

        def fetch() -> str:
            tokens.append(http.fetch_token())
            return tokens[-1]

        with TvWSClient(["NASDAQ:AAPL"], source=server.url if loopback else server.connect, token=fetch) as stream:
            next(iter(stream.stream()))
            server.verify("set_auth_token", count=1, timeout=20)
        assert len(tokens) == 1
        assert len(tokens[0].split(".")) == 3


def test_a_token_that_expires_is_fetched_again_in_time() -> None:
    with FakeServer(seed=7, speed="max", token_lifetime=300) as server, HttpClient(server, auth=SESSION) as http:
        with TvWSClient(["BINANCE:BTCUSDT"], source=server.connect, token=http.fetch_token) as stream:
            began = server.clock.now()
            for _ in stream.stream():
                if server.clock.now() > began + 400:
                    break
        # Two minutes before it expires, each time.
        server.verify("set_auth_token", count=3)


def test_without_cookies_there_is_no_token_to_be_had() -> None:
    with HttpClient(FakeServer(seed=7), environ={}) as http, pytest.raises(CredentialsNotFound, match="no session cookies"):
        http.fetch_token()


def test_cookies_come_from_the_environment_as_those_of_a_stream_do() -> None:
    environ = {"TVSTREAMER_SESSIONID": "canary-1", "TVSTREAMER_SESSIONID_SIGN": "v1:canary-2"}
    with HttpClient(FakeServer(seed=7), environ=environ) as http:
        assert http.fetch_token()


def test_a_session_that_the_site_does_not_know_is_told() -> None:
    with HttpClient(FakeServer(seed=7), auth=Credentials(cookie="sessionid=canary-1")) as http:
        with pytest.raises(AuthError, match="does not know this session"):
            http.fetch_token()
        stream = TvWSClient(["NASDAQ:AAPL"], source="fake:speed=max", token=http.fetch_token)
        with pytest.raises(TokenRefreshFailed, match="AuthError: the site does not know this session"):
            stream.connect()
        stream.close()


def test_cookies_do_not_go_to_another_machine_in_the_clear() -> None:
    with HttpClient("http://fake.example", auth=SESSION) as http:
        with pytest.raises(InvalidSource, match="expected https, or this machine"):
            http.fetch_token()


def test_a_cookie_goes_to_the_page_with_the_token_alone() -> None:
    server = Scripted(page("A"))
    with HttpClient(server, auth=SESSION) as http:
        list(http.search("a"))
        with pytest.raises(RemoteProtocolError):
            http.fetch_token()
    (_, _, search), (method, target, token) = server.asked
    assert (method, target) == ("GET", "/chart/")
    assert "cookie" not in search
    assert token["cookie"] == COOKIE


def test_a_cookie_that_the_site_sets_is_not_sent_back() -> None:
    server = Scripted((200, [JSON, ("Set-Cookie", "device_t=1; Path=/")], EMPTY))
    with HttpClient(server) as http:
        for _ in range(2):
            list(http.search("a"))
    assert "cookie" not in server.asked[1][2]


def test_headers_of_ones_own_take_the_place_of_ours() -> None:
    server = Scripted(page("A"))
    with HttpClient(server, headers=[("user-agent", "mine"), ("X-More", "é")]) as http:
        list(http.search("a"))
    sent = server.asked[0][2]
    assert (sent["user-agent"], sent["origin"]) == ("mine", "https://www.tradingview.com")
    assert "x-more" in sent


# --- redirects --------------------------------------------------------------------------------------------------------


def redirect(to: str, status: int = 302) -> Reply:
    return status, [("Location", to)] if to else [], b""


def test_a_redirect_within_the_host_is_followed() -> None:
    server = Scripted(redirect("/chart/abc/"), (200, [HTML], b'"auth_token":"a-token"'))
    with HttpClient(server, auth=SESSION) as http:
        assert http.fetch_token() == "a-token"
    assert [target for _, target, _ in server.asked] == ["/chart/", "/chart/abc/"]


@pytest.mark.parametrize(
    ("to", "said"),
    [
        ("https://evil.example/chart/", "redirected to 'evil.example', which is another host and is not asked$"),
        ("//evil.example/", "redirected to 'evil.example'"),
        ("http://fake.invalid:81/", "another host"),
        ("https://fake.invalid/", "another host"),
        ("https://de.tradingview.com/chart/", "; source='live:host=de.tradingview.com' asks that host"),
        ("http://[", "redirected to 'http://\\['"),
        ("", "redirected to nowhere"),
    ],
)
def test_a_redirect_to_another_host_is_not_followed_so_no_cookie_gets_there(to: str, said: str) -> None:
    server = Scripted(redirect(to))
    with HttpClient(server, auth=SESSION) as http, pytest.raises(ConnectFailed, match=said) as caught:
        http.fetch_token()
    assert len(server.asked) == 1
    assert (caught.value.status, caught.value.permanent) == (302, True)


def test_redirects_have_an_end() -> None:
    with client(redirect("/chart/")) as http, pytest.raises(ConnectFailed, match="more than 5 redirects"):
        http.fetch_token()


# --- everything that can go wrong -------------------------------------------------------------------------------------


def test_each_state_of_the_fake_site_is_told_for_what_it_is() -> None:
    expected: dict[str, tuple[type[TvError], str]] = {
        "forbidden": (ConnectFailed, "HTTP 403: refused"),
        "captcha": (ServerError, "asks for a human"),
        "changed": (RemoteProtocolError, "has changed: expected"),
        "busy": (ConnectFailed, "HTTP 429: too many requests; it asks to wait for 30 s"),
        "down": (ConnectFailed, "HTTP 503: the server has a problem"),
    }
    for state, (kind, said) in expected.items():
        with HttpClient(FakeServer(seed=7, site=state), auth=SESSION) as http:  # type: ignore[arg-type]
            for ask in (http.fetch_token, lambda http=http: list(http.search("a"))):
                with pytest.raises(kind, match=said) as caught:
                    ask()
                assert "canary" not in str(caught.value)


def test_a_site_that_is_strict_is_searched_as_by_one_of_its_pages() -> None:
    with HttpClient(FakeServer(seed=7, strict=True)) as http:
        assert len(list(http.search("aapl"))) == 1


def test_a_site_that_fails_when_a_token_is_to_be_renewed_ends_the_stream_and_says_why() -> None:
    with FakeServer(seed=7, speed="max", token_lifetime=300) as server, HttpClient(server, auth=SESSION) as http:
        stream = TvWSClient(["BINANCE:BTCUSDT"], source=server.connect, token=http.fetch_token)
        with stream, pytest.raises(TokenRefreshFailed, match="the token expired at .*, and there is no other: .*HTTP 403"):
            for _ in stream.stream():
                server.set_site("forbidden")


@pytest.mark.parametrize(
    ("status", "later", "seconds", "permanent"),
    [(403, "", None, True), (429, "30", 30.0, False), (503, "soon", None, False), (404, "", None, True), (418, "99999999", None, True)],
)
def test_a_refusal_says_whether_it_is_any_use_to_try_again(status: int, later: str, seconds: float | None, permanent: bool) -> None:
    with client((status, [HTML, ("Retry-After", later)], b"no")) as http, pytest.raises(ConnectFailed) as caught:
        list(http.search())
    assert (caught.value.status, caught.value.retry_after, caught.value.permanent) == (status, seconds, permanent)


@pytest.mark.parametrize(("status", "body"), [(200, b"Are you human?"), (403, b"<div class=captcha>")])
def test_a_captcha_in_place_of_an_answer_is_told(status: int, body: bytes) -> None:
    with client((status, [HTML], body)) as http, pytest.raises(ServerError, match="asks for a human"):
        list(http.search())


@pytest.mark.parametrize("kind", [HTML, ("Content-Type", "application/octet-stream"), ("X-None", "")])
def test_another_content_type_than_that_of_the_answer_is_an_error(kind: tuple[str, str]) -> None:
    with client((200, [kind], EMPTY)) as http, pytest.raises(RemoteProtocolError, match="content type .*: expected application/json"):
        list(http.search())


def test_a_packed_answer_is_unpacked() -> None:
    with client((200, [JSON, ("Content-Encoding", "gzip")], gzip.compress(EMPTY))) as http:
        assert list(http.search()) == []


def test_an_answer_that_cannot_be_unpacked_is_an_error() -> None:
    with client((200, [JSON, ("Content-Encoding", "gzip")], EMPTY)) as http:
        with pytest.raises(RemoteProtocolError, match="cannot be unpacked"):
            list(http.search())


@pytest.mark.parametrize("coding", ["gzip, gzip", "br", "gzip,gzip,gzip"])
def test_an_answer_that_could_swell_without_an_end_is_not_unpacked(coding: str) -> None:
    with client((200, [JSON, ("Content-Encoding", coding)], gzip.compress(gzip.compress(EMPTY)))) as http:
        with pytest.raises(RemoteProtocolError, match=f"a body in '{coding}': expected gzip or deflate, and once"):
            list(http.search())


@pytest.mark.parametrize("packed", [False, True])
def test_an_answer_that_is_too_long_is_not_read_to_its_end(packed: bool) -> None:
    body = b" " * 5_000
    headers = [JSON, ("Content-Encoding", "gzip")] if packed else [JSON]
    with client((200, headers, gzip.compress(body) if packed else body), most=4_000) as http:
        with pytest.raises(RemoteProtocolError, match="an answer of more than 4000 bytes"):
            list(http.search())


def raising(error: Exception) -> Callable[[], Reply]:
    def reply() -> Reply:
        raise error

    return reply


@pytest.mark.parametrize("error", [httpx.ConnectTimeout("x"), httpx.ReadTimeout("x"), httpx.PoolTimeout("x")])
def test_every_timeout_is_one_of_ours(error: Exception) -> None:
    with client(raising(error), timeout=3) as http:
        with pytest.raises(TransportTimeout, match=r"GET http://fake.invalid/chart/: no answer within 3 s") as caught:
            http.fetch_token()
    assert isinstance(caught.value, TimeoutError)


def test_an_answer_that_takes_too_long_in_all_is_a_timeout() -> None:
    clock = VirtualClock(0.0)

    def slow() -> Reply:
        clock.advance(11)
        return 200, [JSON], EMPTY

    with client(slow, clock=clock) as http, pytest.raises(TransportTimeout, match="the answer was not whole within 10 s"):
        list(http.search())


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (httpx.ConnectError("[Errno 1] nobody"), ConnectFailed, "cannot connect to http://fake.invalid/chart/: '.*nobody'"),
        (httpx.ProxyError("407"), ConnectFailed, "'407'"),
        (httpx.ReadError("gone"), ConnectFailed, "'gone'"),
        (OSError(5, "a broken wire"), ConnectFailed, "a broken wire"),
        (httpx.RemoteProtocolError("nonsense"), RemoteProtocolError, "does not speak HTTP: 'nonsense'"),
        (httpx.InvalidURL("odd"), ConnectFailed, "not an address: 'odd'"),
    ],
)
def test_no_error_of_the_library_escapes(error: Exception, kind: type[TvError], said: str) -> None:
    with client(raising(error)) as http, pytest.raises(kind, match=said):
        http.fetch_token()


@pytest.mark.parametrize("begin", [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99999\r\n\r\n"])
def test_a_server_that_never_comes_to_an_end_is_a_timeout(begin: bytes) -> None:
    over = threading.Event()

    def drip() -> None:
        with contextlib.suppress(OSError), server.accept()[0] as connection:
            connection.recv(4096)
            connection.sendall(begin)
            while not over.wait(0.01):
                connection.sendall(b"X: y\r\n")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=drip)
        thread.start()
        with HttpClient(f"http://127.0.0.1:{server.getsockname()[1]}", timeout=0.3) as http:
            with pytest.raises(TransportTimeout, match="within 0.3 s"):
                list(http.search())
        over.set()
        thread.join(20)


def test_after_a_timeout_the_client_goes_on() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            # The first one gets nothing.
            silent, second = server.accept()[0], server.accept()[0]
            second.recv(4096)
            second.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(EMPTY), EMPTY))
            for connection in (silent, second):
                connection.close()

        thread = threading.Thread(target=answer)
        thread.start()
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        with HttpClient(address, timeout=1) as http:
            with pytest.raises(TransportTimeout):
                list(http.search())
            assert list(http.search()) == []
        thread.join(20)


def test_a_mistake_of_a_server_in_this_process_is_not_hidden() -> None:
    with client(raising(ZeroDivisionError())) as http, pytest.raises(ZeroDivisionError):
        list(http.search())


def test_where_nobody_listens_is_told() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{bound.getsockname()[1]}"
        with HttpClient(address) as http, pytest.raises(ConnectFailed, match="Connection refused") as caught:
            list(http.search())
    assert not caught.value.permanent


def test_a_certificate_that_is_not_trusted_is_told() -> None:
    pytest.importorskip("trustme")
    with FakeServer(seed=7, tls=True) as server, HttpClient(server.url) as http:
        with pytest.raises(ConnectFailed, match="TLS certificate not accepted") as caught:
            list(http.search())
    assert caught.value.permanent


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"timeout": 0}, "timeout 0: expected"),
        ({"timeout": float("inf")}, "timeout inf: expected"),
        ({"timeout": float("nan")}, "timeout nan: expected"),
        ({"most": 0}, "most 0: expected"),
        ({"headers": [("a\r\nb", "c")]}, "header name"),
        ({"headers": [("a", "canary\n")]}, "header a"),
    ],
)
def test_an_option_out_of_range_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidPlan, match=said) as caught:
        HttpClient("live", **options)
    assert "canary" not in str(caught.value)


def test_a_closed_client_asks_nobody() -> None:
    http = client(page("A"))
    list(http.search())
    http.close()
    http.close()
    assert repr(http) == "<HttpClient of http://fake.invalid, closed>"
    with pytest.raises(LocalProtocolError, match="closed"):
        list(http.search())


def test_a_secret_is_in_no_repr_log_or_traceback(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(1)
    with HttpClient(FakeServer(seed=7), auth=SESSION) as http:
        token = http.fetch_token()
        assert "canary" not in repr(http)
    with client(raising(httpx.ReadError("gone"))) as http, pytest.raises(ConnectFailed) as caught:
        http.fetch_token()
    assert caught.value.__cause__ is None
    assert "canary" not in str(caught.getrepr(style="short"))
    # As pytest shows what has failed: with the arguments of each function.
    assert "canary-9d41" not in str(caught.getrepr(style="long", funcargs=True))
    assert "canary" not in caplog.text
    assert token not in caplog.text


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx", None)
    with client(page("A")) as http, pytest.raises(MissingDependencyError, match=r"pip install 'tvstreamer\[http\]'"):
        list(http.search())


def test_a_client_tells_the_watch_of_its_time_when_it_has_something_to_close() -> None:
    watch = Watch()
    before = watch_with(watch)
    try:
        idle, asked, closed = (client(page("A")) for _ in range(3))
    finally:
        watch_with(before)
    for http in (asked, closed):
        list(http.search())
    closed.close()
    assert watch.end() == [asked]
    for http in (idle, asked):
        http.close()
