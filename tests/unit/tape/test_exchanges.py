"""HTTP exchanges on a tape: to the byte what they were, but for their secrets."""

from __future__ import annotations

import gzip
import json
import zlib
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tvstreamer.constants import MAX_BODY
from tvstreamer.errors import TapeFormatError, TapeWriteError
from tvstreamer.tape.exchanges import Exchange, canonical_url, read_exchange, scrubbed
from tvstreamer.tape.redact import Redactor, nameless

TOKEN = "eyJhbGciOiJIUzUxMiJ9.eyJleHAiOjE3MDB9.canary-c2ln"
PAGE = f'<script>var user = {{"id":987654,"username":"canary-name","auth_token":"{TOKEN}"}};</script>'
PLAIN = Exchange(
    "GET", "http://127.0.0.1:8000/x?a=b", 200, "OK", (("accept", "*/*"),), b"", (("content-type", "text/plain"),), b"hello"
)


def redactor(*secrets: str) -> Redactor:
    return Redactor(key=b"k" * 32, secrets=secrets)


def stored(exchange: Exchange) -> dict[str, Any]:
    """What stands in a record, after its way through a file."""
    value: dict[str, Any] = json.loads(msgspec.json.encode(exchange.stored()))
    return value


def test_a_record_can_be_read_by_anybody() -> None:
    assert stored(PLAIN) == {
        "request": {"method": "GET", "url": "http://127.0.0.1:8000/x?a=b", "headers": [["accept", "*/*"]]},
        "response": {"status": 200, "reason": "OK", "headers": [["content-type", "text/plain"]], "text": "hello"},
    }
    assert str(PLAIN) == "GET 'http://127.0.0.1:8000/x?a=b'"


HEADERS = st.lists(st.tuples(st.text(min_size=1), st.text()), max_size=5).map(tuple)
BODIES = st.binary() | st.text().map(lambda text: text.encode("utf-8", "replace"))


@given(st.builds(Exchange, st.just("POST"), st.text(min_size=1), st.integers(100, 999), st.text(), HEADERS, BODIES, HEADERS, BODIES))
def test_whatever_was_exchanged_comes_back_to_the_byte(exchange: Exchange) -> None:
    try:
        msgspec.json.encode(exchange.stored())
    except UnicodeEncodeError:
        return  # Lone surrogates, which no library makes of what came over a wire.
    assert read_exchange(stored(exchange)) == exchange


@pytest.mark.parametrize(
    ("body", "key"),
    [
        (b"", None),
        (b"text\n\ttab\r\n", "text"),
        ("ä\u2028".encode(), "text"),
        (b"\xff\xfe", "base64"),
        (b"a\x00b", "base64"),
        (b'"' * (1 << 20), "text"),
        (b'"' * ((1 << 20) + 1), "base64"),
        (b"a" * ((1 << 20) + 1), "text"),
    ],
    ids=["empty", "text", "unicode", "not UTF-8", "control", "quotes", "many quotes", "long"],
)
def test_a_body_is_text_where_that_can_be_read(body: bytes, key: str | None) -> None:
    response = stored(replace(PLAIN, body=body))["response"]
    assert set(response) - {"status", "reason", "headers"} == ({key} if key else set())


@pytest.mark.parametrize(
    "value",
    [
        None, 7, {}, {"status": 200}, {"request": {}, "response": {}},
        {"request": {"method": "GET", "url": "x"}, "response": {"status": 99}},
        {"request": {"method": "GET", "url": "x"}, "response": {"status": "200"}},
        {"request": {"method": "GET", "url": "x"}, "response": {}},
        {"request": {"method": "get it", "url": "x"}, "response": {"status": 200}},
        {"request": {"method": "GET", "url": ""}, "response": {"status": 200}},
        {"request": {"method": "GET", "url": "x", "headers": [["a"]]}, "response": {"status": 200}},
        {"request": {"method": "GET", "url": "x", "headers": [["a", 1]]}, "response": {"status": 200}},
        {"request": {"method": "GET", "url": "x", "base64": "no!"}, "response": {"status": 200}},
        {"request": {"method": "GET", "url": "x", "base64": "a"}, "response": {"status": 200}},
        {"request": {"method": "GET", "url": "x", "text": "\ud800"}, "response": {"status": 200}},
        {"request": {"method": "GET", "url": "x"}, "response": {"status": 200, "text": "x" * (MAX_BODY + 1)}},
    ],
    ids=lambda value: str(value)[:60],
)  # fmt: skip
def test_what_is_no_exchange_is_told_in_short(value: Any) -> None:
    with pytest.raises(TapeFormatError, match="an http record that is none: ") as caught:
        read_exchange(value)
    assert len(str(caught.value)) < 500


JSON = st.recursive(
    st.none() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)
PARTS = {"headers": st.lists(st.lists(st.text(), min_size=2, max_size=2)) | JSON, "text": st.text() | JSON, "base64": st.sampled_from(["YQ==", "YQ", ""]) | JSON}
RECORDS = st.fixed_dictionaries({
    "request": st.fixed_dictionaries({"method": st.sampled_from(["GET", "get", ""]) | JSON, "url": st.text() | JSON}, optional=PARTS),
    "response": st.fixed_dictionaries({"status": st.integers(0, 1000) | JSON}, optional={"reason": JSON, **PARTS}),
})  # fmt: skip


@given(RECORDS | JSON)
def test_a_hostile_record_is_an_exchange_or_a_clear_error(value: Any) -> None:
    try:
        exchange = read_exchange(value)
    except TapeFormatError:
        return
    assert read_exchange(exchange.stored()) == exchange


@pytest.mark.parametrize("part", ["sent", "body"])
def test_a_body_that_is_too_long_is_not_written(part: str) -> None:
    with pytest.raises(TapeWriteError, match=f"a body of {MAX_BODY + 1} bytes, a tape takes at most {MAX_BODY}"):
        replace(PLAIN, **{part: bytes(MAX_BODY + 1)}).stored()  # type: ignore[arg-type]


# --- secrets ----------------------------------------------------------------------------------------------------------


def test_an_exchange_without_secrets_stays_as_it_was() -> None:
    assert scrubbed(PLAIN, redactor()) == PLAIN


def test_cookies_tokens_and_names_are_taken_out() -> None:
    exchange = Exchange(
        "POST",
        "https://www.tradingview.com/chart/AbCd1234/?user_id=987654&token=canary-url",
        200,
        sent_headers=(("Cookie", "sessionid=canary-sid; a=b"), ("authorization", "Bearer canary-bearer")),
        sent=b"username=canary-name&password=canary-pass&x=1",
        headers=(("Set-Cookie", "sessionid_sign=canary-sign; Path=/"), ("set-cookie", "b=c"), ("Location", "/?token=canary-loc")),
        body=PAGE.encode(),
    )
    form = replace(exchange, sent_headers=(*exchange.sent_headers, ("Content-Type", "application/x-www-form-urlencoded")))
    clean = scrubbed(form, redactor())
    assert "canary" not in str(clean.stored())
    assert "987654" not in str(clean.stored())
    assert clean.sent.endswith(b"&x=1")
    assert [name for name, _ in clean.headers] == ["Set-Cookie", "set-cookie", "Location"]
    assert scrubbed(clean, redactor()) == clean


def test_what_a_session_consists_of_is_secret_from_then_on() -> None:
    exchange = replace(
        PLAIN,
        sent_headers=(("cookie", "sessionid=canary-sid; theme=darkest-one; sessionid_sign=v1:sgn; device_t=short"),),
        headers=(("set-cookie", "device_t=canary-device; Path=/; Domain=x"),),
        body=f'{{"user":"{{\\"auth_token\\":\\"{"canary-opaque"}\\"}}"}}'.encode(),
    )
    learned = redactor()
    scrubbed(exchange, learned)
    for secret in ("canary-sid", "canary-device", "canary-opaque"):
        assert "canary" not in learned.message(f"a {secret} b")
    joined = replace(PLAIN, headers=(("Set-Cookie", 'a=b; Path=/, sessionid="canary-joined"; Path=/, SessionID_Sign=canary-sign'),))
    scrubbed(joined, learned)
    for secret in ("canary-joined", "canary-sign"):
        assert "canary" not in learned.message(f"a {secret} b")
    for common in ("v1:sgn", "darkest-one", "short"):
        assert common in learned.message(f"a {common} b")


def test_the_anonymous_token_is_no_secret() -> None:
    body = b'{"auth_token":"unauthorized_user_token"}'
    assert scrubbed(replace(PLAIN, body=body), redactor()).body == body


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "deflate", "identity, gzip", "deflate, gzip"])
def test_a_packed_body_with_a_secret_is_kept_unpacked_and_one_without_as_it_was(coding: str) -> None:
    def packed(body: bytes) -> Exchange:
        for each in coding.split(", "):
            body = {"identity": lambda b: b, "deflate": zlib.compress}.get(each, gzip.compress)(body)
        headers = (("Content-Encoding", coding), ("Content-Length", str(len(body))), ("X", "y"))
        return replace(PLAIN, headers=headers, body=body)

    harmless = packed(b"nothing to see")
    assert scrubbed(harmless, redactor()) == harmless
    clean = scrubbed(packed(PAGE.encode()), redactor())
    assert b"var user" in clean.body
    assert b"canary" not in clean.body
    assert clean.headers == (("Content-Length", str(len(clean.body))), ("X", "y"))


def test_all_of_a_packed_body_is_looked_into() -> None:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    headless = packer.compress(PAGE.encode()) + packer.flush()
    several = gzip.compress(b"harmless ") + gzip.compress(PAGE.encode()) + b"rest"
    cut = gzip.compress(PAGE.encode())[:-4]
    for coding, body in [("deflate", headless), ("gzip", several), ("gzip", cut), ("deflate", gzip.compress(PAGE.encode()))]:
        clean = scrubbed(replace(PLAIN, headers=(("Content-Encoding", coding),), body=body), redactor())
        assert b"var user" in clean.body
        assert b"canary" not in clean.body
        assert clean.headers == ()


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-be", "utf-32", "utf-8-sig"])
def test_secrets_are_found_in_other_codings_of_a_text_too(codec: str) -> None:
    body = f"<p>\N{EURO SIGN}</p>{PAGE} canary-given".encode(codec)
    clean = scrubbed(replace(PLAIN, body=body), redactor("canary-given")).body.decode(codec)
    assert "canary" not in clean
    assert clean.startswith("<p>\N{EURO SIGN}</p><script>")


def test_a_coding_that_only_the_headers_tell_is_believed_if_it_can_be() -> None:
    def clean(charset: str, body: bytes) -> bytes:
        return scrubbed(replace(PLAIN, headers=(("Content-Type", f'text/html; charset="{charset}"'),), body=body), redactor()).body

    wide = f"\N{EURO SIGN}\N{EURO SIGN}{PAGE}".encode("utf-16-le")
    assert "canary" not in clean("UTF-16LE", wide).decode("utf-16-le")
    for charset in ("utf-16-of-theirs", "latin-1", "utf-8"):
        assert b"canary" not in clean(charset, PAGE.encode() + b"\xe9")


@pytest.mark.parametrize("body", [b"canary-given \xff", b"\xffcanary-given"])
def test_a_secret_in_what_is_no_text_is_found_too(body: bytes) -> None:
    clean = scrubbed(replace(PLAIN, body=body), redactor("canary-given")).body
    assert b"canary" not in clean
    assert b"\xff" in clean


def test_a_body_that_is_not_packed_as_it_says_is_taken_as_it_is() -> None:
    exchange = replace(PLAIN, headers=(("content-encoding", "gzip"),), body=PAGE.encode())
    assert b"canary" not in scrubbed(exchange, redactor()).body
    assert scrubbed(replace(exchange, body=b""), redactor()).body == b""


def test_a_body_that_cannot_be_looked_into_is_not_recorded() -> None:
    with pytest.raises(TapeWriteError, match="a body in 'br' cannot be searched for secrets: expected gzip or deflate"):
        scrubbed(replace(PLAIN, headers=(("Content-Encoding", "br"),)), redactor())


def test_what_is_said_of_one_that_is_not_recorded_has_no_secrets() -> None:
    exchange = replace(PLAIN, url="http://h/?token=canary", headers=(("Content-Encoding", "br"),), sent=b"canary")
    with pytest.raises(TapeWriteError, match="'br'") as caught:
        scrubbed(exchange, redactor())
    assert "canary" not in str(caught.value)
    assert repr(exchange) == "<Exchange GET 6 bytes, 200 5 bytes>"


@pytest.mark.parametrize("damage", ["checksum", "too many files"])
def test_a_packed_body_that_is_damaged_is_not_recorded(damage: str) -> None:
    whole = gzip.compress(PAGE.encode())
    body = gzip.compress(b"") * 70_000 if damage == "too many files" else whole[:-8] + bytes(8)
    with pytest.raises(TapeWriteError, match="a body in gzip that is damaged cannot be searched for secrets"):
        scrubbed(replace(PLAIN, headers=(("Content-Encoding", "gzip"),), body=body), redactor())


def test_a_body_that_swells_is_not_recorded() -> None:
    bomb = gzip.compress(bytes(MAX_BODY + 1))
    with pytest.raises(TapeWriteError, match=f"more than {MAX_BODY} bytes, once it is unpacked"):
        scrubbed(replace(PLAIN, headers=(("Content-Encoding", "gzip"),), body=bomb), redactor())


# --- likeness ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://127.0.0.1:1/x?b=2&a=1", "http://127.0.0.1:65000/x?a=1&b=2"),
        ("http://[::1]:1/", "http://[::1]:2"),
        ("https://h/x?token=one-secret", "https://h/x?token=another"),
        ("https://h/x?token=one-secret", redactor().url("https://h/x?token=one-secret")),
        ("https://h:443", "https://h:443/"),
    ],
)
def test_the_same_request_is_alike_in_each_recording(one: str, other: str) -> None:
    assert canonical_url(one, redactor()) == canonical_url(other, redactor())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://127.0.0.1:1/x", "http://127.0.0.1:1/y"),
        ("http://h:1/x", "http://h:2/x"),
        ("http://h/?a=", "http://h/?a=1"),
        ("http://h:bad/", "http://h:worse/"),
    ],
)
def test_other_requests_are_not(one: str, other: str) -> None:
    assert canonical_url(one, redactor()) != canonical_url(other, redactor())


def test_texts_are_alike_but_for_their_pseudonyms() -> None:
    one, other = Redactor(key=b"1" * 32), Redactor(key=b"2" * 32)
    assert nameless(one.body(PAGE)) == nameless(other.body(PAGE))
