"""Requests from bytes, however they arrive, and what becomes of broken ones."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tvstreamer.server.http.http11 import (
    MAX_BODY,
    MAX_HEAD,
    BadRequest,
    HttpRequest,
    HttpResponse,
    RequestReader,
    json_response,
    not_allowed,
    otherwise,
)

POST = b'POST /a%20b?x=1&y=&x=2 HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nx-a: 2\r\nContent-Length: 4\r\n\r\n{"a}'


@given(st.lists(st.integers(1, len(POST) - 1), max_size=5))
def test_a_request_is_the_same_in_whatever_pieces_it_comes(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(POST)]
    reader = RequestReader()
    *before, last = [reader.feed(POST[begin:end]) for begin, end in itertools.pairwise(edges)]
    assert before == [None] * len(before)
    headers = {"host": "h", "x-a": "1, 2", "content-length": "4"}
    assert last == HttpRequest("POST", "/a b", {"x": "2", "y": ""}, headers, b'{"a}')


def test_a_request_to_upgrade_is_left_to_others_byte_for_byte() -> None:
    reader = RequestReader()
    asked = b"GET /x HTTP/1.1\r\nUpgrade: WebSocket\r\n\r\nearly"
    assert reader.feed(asked) is None
    assert reader.upgrade
    assert bytes(reader.taken) == asked


def test_who_waits_for_permission_to_send_a_body_is_seen_until_it_sends() -> None:
    reader = RequestReader()
    assert reader.feed(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n") is None
    assert reader.waits
    request = reader.feed(b"ab")
    assert request is not None
    assert not reader.waits


@pytest.mark.parametrize(
    ("sent", "status", "said"),
    [
        (b"NONSENSE\r\n\r\n", 400, "METHOD PATH"),
        (b"GET / SPDY/3\r\n\r\n", 400, "METHOD PATH"),
        (b"GET //[ HTTP/1.1\r\n\r\n", 400, "path"),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400, "NAME: VALUE"),
        (b"GET / HTTP/1.1\r\nA: b\r\n folded: x\r\n\r\n", 400, "NAME: VALUE"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411, "Content-Length"),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400, "'-1'"),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400, "'1, 2'"),
        (f"POST / HTTP/1.1\r\nContent-Length: {MAX_BODY + 1}\r\n\r\n".encode(), 413, str(MAX_BODY)),
        (b"GET /" + b"x" * MAX_HEAD, 431, str(MAX_HEAD)),
    ],
)
def test_a_broken_request_says_what_was_expected(sent: bytes, status: int, said: str) -> None:
    with pytest.raises(BadRequest, match=said) as caught:
        RequestReader().feed(sent)
    assert caught.value.status == status


def test_a_broken_header_is_not_repeated_for_it_may_be_a_secret() -> None:
    with pytest.raises(BadRequest) as caught:
        RequestReader().feed(b"GET / HTTP/1.1\r\nAuthorization Bearer hush\r\n\r\n")
    assert "hush" not in str(caught.value)


def test_headers_and_bodies_are_no_part_of_a_repr() -> None:
    assert "hush" not in repr(HttpRequest("GET", "/", {}, {"cookie": "hush"}, b"hush"))


def test_an_answer_counts_bytes_and_a_head_has_none() -> None:
    response = HttpResponse(404, "ä", headers=(("Allow", "GET"),))
    head, _, body = response.encode().partition(b"\r\n\r\n")
    assert head.split(b"\r\n")[0] == b"HTTP/1.1 404 Not Found"
    assert b"Content-Length: 2" in head
    assert b"Allow: GET" in head
    assert body == "ä".encode()
    assert response.encode(head_only=True) == head + b"\r\n\r\n"


def test_json_is_compact_and_ends_with_a_newline() -> None:
    assert json_response(200, {"a": [1]}).body == '{"a":[1]}\n'


def test_a_method_that_is_not_allowed_is_told_which_are() -> None:
    refused = not_allowed(HttpRequest("PUT", "/"), "GET", "HEAD")
    assert refused is not None
    assert (refused.status, refused.headers) == (405, (("Allow", "GET, HEAD"),))
    assert not_allowed(HttpRequest("GET", "/"), "GET") is None


@pytest.mark.parametrize(
    ("method", "path", "status", "said"),
    [
        ("GET", "/ping", 200, "pong"),
        ("POST", "/ping", 405, "expected GET or HEAD"),
        ("GET", "/socket.io/websocket", 426, "here is a WebSocket"),
        ("GET", "/nothing", 404, "nothing at '/nothing'; the WebSocket is at /socket.io/websocket"),
    ],
)
def test_what_nobody_else_answers_is_answered_all_the_same(method: str, path: str, status: int, said: str) -> None:
    answer = otherwise(HttpRequest(method, path))
    assert answer.status == status
    assert said in answer.body
    headers, body = answer.parts()
    assert ("Content-Length", str(len(body))) in headers
