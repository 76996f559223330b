"""Secrets go before bytes reach the disk; everything else stays as it is."""

from __future__ import annotations

import random
import re

import pytest

from tvstreamer.constants import ANONYMOUS_TOKEN
from tvstreamer.protocol import framing
from tvstreamer.tape.redact import Redactor, nameless, new_key, page_tokens

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJ1c2VyX2lkIjoxfQ.c2lnbmF0dXJl"
GIVEN = "g1ven-sess-id"
MARK = re.compile(r"redacted-[0-9a-f]{16}")


@pytest.fixture
def redactor() -> Redactor:
    return Redactor(key=b"k" * 32, secrets=[GIVEN, "abc", 'quo"te/\N{LATIN SMALL LETTER O WITH DIAERESIS}', ANONYMOUS_TOKEN])


def auth(token: str) -> str:
    return framing.packet(f'{{"m":"set_auth_token","p":["{token}"]}}')


def test_the_token_is_replaced_and_the_length_is_right_again(redactor: Redactor) -> None:
    message = auth("something") + framing.packet("~h~1")
    clean = redactor.message(message)
    payload, heartbeat = framing.split(clean)
    assert re.fullmatch(r'\{"m":"set_auth_token","p":\["redacted-[0-9a-f]{16}"\]\}', payload)
    assert heartbeat == "~h~1"


@pytest.mark.parametrize("token", [ANONYMOUS_TOKEN, "widget_user_token", "widget_user_token_2"])
def test_tokens_of_nobody_stay(redactor: Redactor, token: str) -> None:
    assert redactor.message(auth(token)) == auth(token)


def test_the_address_in_the_hello_is_replaced_and_others_called_via_are_not(redactor: Redactor) -> None:
    hello = framing.packet('{"session_id":"1","via":"10.1.2.3:443"}')
    assert "10.1.2.3" not in redactor.message(hello)
    other = framing.packet('{"m":"x","p":[{"via":"the alps"}]}')
    assert redactor.message(other) == other


def test_web_tokens_are_found_anywhere(redactor: Redactor) -> None:
    for text in (framing.packet(f'{{"m":"x","p":["{JWT}"]}}'), f"not framed {JWT}"):
        assert JWT not in redactor.message(text)
        assert MARK.search(redactor.message(text))


def test_given_secrets_are_found_in_every_spelling(redactor: Redactor) -> None:
    accented = 'quo"te/\N{LATIN SMALL LETTER O WITH DIAERESIS}'
    spellings = [
        GIVEN, accented, 'quo\\"te/\\u00f6', 'quo\\"te/\N{LATIN SMALL LETTER O WITH DIAERESIS}', "quo%22te%2F%C3%B6", "quo%22te/%C3%B6",
    ]  # fmt: skip
    for spelling in spellings:
        assert MARK.fullmatch(redactor.message(spelling)), spelling


def test_what_is_too_short_to_be_a_secret_is_not_looked_for(redactor: Redactor) -> None:
    assert redactor.message("abc abcd") == "abc abcd"


def test_lines_are_suspected_for_tokens_and_given_secrets_and_for_nothing_else(redactor: Redactor) -> None:
    plain = Redactor(key=b"k" * 32)
    assert not plain.suspects(b'{"t":1,"c":1,"k":"recv","p":[{"m":"qsd","p":["qs_1",{"n":"A:JAM"}]}]}\n')
    assert plain.suspects(f'{{"t":1,"c":1,"k":"recv","p":[{{"m":"x","p":["{JWT}"]}}]}}\n'.encode())
    assert plain.suspects(f'{{"m":"x","p":["JPY","eyes","{JWT}"]}}'.encode())
    assert not plain.suspects(b'{"m":"x","p":["J","yJ","eJ","ey J"]}')
    assert redactor.suspects(f'{{"m":"x","p":["{GIVEN}"]}}'.encode())
    assert not plain.suspects(GIVEN.encode())


def test_equal_secrets_stay_equal_within_one_key_and_cannot_be_compared_across_two() -> None:
    first, second = Redactor(key=b"1" * 32), Redactor(key=b"2" * 32)
    assert first.pseudonym("one") == first.pseudonym("one") != first.pseudonym("two")
    assert first.pseudonym("one") != second.pseudonym("one")
    assert first.pseudonym("\ud800") != first.pseudonym("\ud801")


def test_a_pseudonym_stands_for_itself(redactor: Redactor) -> None:
    once = redactor.pseudonym("one")
    assert redactor.pseudonym(once) == once
    assert redactor.message(redactor.message(auth("x"))) == redactor.message(auth("x"))


@pytest.mark.parametrize(
    ("url", "secret"),
    [
        ("wss://me:pass@host/", "me:pass"),
        ("wss://host/?auth_token=hunter2&type=chart", "hunter2"),
        ("wss://host/?jwt=hunter2#x", "hunter2"),
        ("https://host/?user_id=12345", "12345"),
        ("wss://host/socket.io/websocket?from=chart%2FAbCdEfGh%2F&date=x", "AbCdEfGh"),
        ("https://host/chart/AbCdEfGh/", "AbCdEfGh"),
        (f"wss://host/{GIVEN}", GIVEN),
        ("wss://me:pa@55word@host/x?mail=a@b", "55word"),
        ("https://host/back#access_token=hunter2&x=y", "hunter2"),
        ("https://host/x;jsessionid=hunter2?x=y", "hunter2"),
        ("https://host/?api-key=1&auth-token=hunter2", "hunter2"),
        ("https://host/?password=hunter2&pwd=hunter2&client_secret=hunter2", "hunter2"),
        ("https://host/?key=hunter2hunter2hunter2&sid=hunter2hunter2hunter2&signature=hunter2hunter2hunter2", "hunter2"),
        ("https://host/?next=https%3A%2F%2Fhost%2F%3Fa%3Db%26auth_token%3Dhunter2%26x%3Dy", "hunter2"),
    ],
)
def test_urls_lose_users_tokens_and_layouts(redactor: Redactor, url: str, secret: str) -> None:
    clean = redactor.url(url)
    assert secret not in clean
    assert clean.startswith(url[:6])
    assert redactor.url(clean) == clean


def test_an_address_without_secrets_stays(redactor: Redactor) -> None:
    for url in ("wss://data.tradingview.com/socket.io/websocket?from=&type=chart", "fake:", "", "https://h/?key=AAPL&code=US"):
        assert redactor.url(url) == url


def test_notes_are_cleaned_in_keys_values_and_headers(redactor: Redactor) -> None:
    note = {"Cookie": "sessionid=x", "list": [GIVEN, 1, None, {"AUTHORIZATION": "Bearer y", "n": 2.5}], GIVEN: True, "cookie": 7}
    clean = redactor.note(note)
    assert MARK.fullmatch(clean["Cookie"])
    assert clean["cookie"] == 7
    assert clean["list"][1:3] == [1, None]
    assert MARK.fullmatch(clean["list"][3]["AUTHORIZATION"])
    assert GIVEN not in repr(clean)


def test_the_repr_tells_no_secret(redactor: Redactor) -> None:
    assert re.fullmatch(r"<Redactor of \d+ given secrets>", repr(redactor))


def test_a_key_is_random_unless_it_is_drawn_from_a_seed() -> None:
    assert new_key() != new_key()
    assert new_key(random.Random(7)) == new_key(random.Random(7)) != new_key(random.Random(8))
    assert len(new_key()) == 32


@pytest.mark.parametrize(
    "payload",
    [
        '{"p":["a-real-token"],"m":"set_auth_token"}',
        '{"x":1,"m":"set_auth_token","p":["a-real-token"]}',
        '{ "m" : "set_auth_token" , "p" : [ "a-real-token" ] }',
    ],
)
def test_the_token_goes_whatever_the_order_of_keys_and_only_in_its_own_packet(payload: str) -> None:
    other = '{"m":"quote_create_session","p":["qs_1"]}'
    clean = Redactor(key=b"k" * 32).message(framing.join([payload, other]))
    assert "a-real-token" not in clean
    assert framing.split(clean)[1] == other


@pytest.mark.parametrize(
    "note", [{"headers": [["Cookie", "a=secret"]]}, {"Cookie": ["a=secret", 1]}, {"cookie": {"a": "secret"}}, ["cookie", "a=secret"]]
)
def test_cookies_go_in_whatever_shape_headers_are_written_down(note: object) -> None:
    assert "secret" not in str(Redactor(key=b"k" * 32).note(note))


def test_what_is_learnt_later_is_secret_from_then_on() -> None:
    redactor = Redactor(key=b"k", secrets=["first secret"])
    assert redactor.message("a second one") == "a second one"
    redactor.learn(["second one", "abc"])
    assert redactor.message("a second one, a first secret, abc") == (
        f"a {redactor.pseudonym('second one')}, a {redactor.pseudonym('first secret')}, abc"
    )
    assert redactor.suspects(b"second one")


def test_a_secret_may_be_added_later() -> None:
    redactor = Redactor(key=b"k" * 32)
    redactor.learn(["x"])
    assert redactor.url("x later-secret") == "x later-secret"
    redactor.learn(["later-secret"])
    redactor.learn(["later-secret"])
    assert "later-secret" not in redactor.url("x later-secret")
    assert redactor.suspects(b"a later-secret")
    assert repr(redactor) == "<Redactor of 1 given secrets>"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ('{"auth_token":"canary-1","x":"y"}', '{"auth_token":"@","x":"y"}'),
        ('{"session_hash" : "a\\"canary"}', '{"session_hash" : "@"}'),
        (r'{"s":"{\"private_channel\":\"canary\",\"x\":\"y\"}"}', r'{"s":"{\"private_channel\":\"@\",\"x\":\"y\"}"}'),
        ('{"user_id":987,"id":12}', '{"user_id":0,"id":12}'),
        ('{"id":987, "username":"canary"}', '{"id":0, "username":"@"}'),
        (r'{\"id\":987,\"username\":\"canary\"}', r'{\"id\":0,\"username\":\"@\"}'),
        ('{"auth_token":"unauthorized_user_token"}', '{"auth_token":"unauthorized_user_token"}'),
        ('{"first_name":""}', '{"first_name":""}'),
        ("var user = {auth_token: 'canary\\'s', x: 'y'}", "var user = {auth_token: '@', x: 'y'}"),
        ('user.auth_token = "canary";', 'user.auth_token = "@";'),
        ("&quot;auth_token&quot;:&quot;canary&quot;,", "&quot;auth_token&quot;:&quot;@&quot;,"),
        ("&#34;session_hash&#34;: &#34;canary&#34;,", "&#34;session_hash&#34;: &#34;@&#34;,"),
        (r"{\u0022auth_token\u0022:\u0022canary\u0022}", r"{\u0022auth_token\u0022:\u0022@\u0022}"),
        ("%22auth_token%22%3A%22canary%22", "%22auth_token%22%3A%22@%22"),
        (r'"{\"x\":\"{\\\"auth_token\\\":\\\"canary\\\"}\"}"', r'"{\"x\":\"{\\\"auth_token\\\":\\\"@\\\"}\"}"'),
        (r'"{\"password\":\"can\\\"ary\"}"', r'"{\"password\":\"@\"}"'),
        ('{"access_token":"canary","refreshToken":"canary","apiKey":"canary"}', '{"access_token":"@","refreshToken":"@","apiKey":"@"}'),
        ('{"user_id":"987","userId":987}', '{"user_id":"0","userId":0}'),
        ('{"token":"USDT","key":"k","my_username":"x"}', '{"token":"USDT","key":"k","my_username":"x"}'),
        ("username=canary&password=canary", "username=canary&password=canary"),
    ],
)
def test_what_a_page_says_of_who_is_logged_in_goes(text: str, clean: str) -> None:
    redactor = Redactor(key=b"k" * 32)
    shown = MARK.sub("@", redactor.body(text))
    assert shown == clean
    assert redactor.body(redactor.body(text)) == redactor.body(text)


@pytest.mark.parametrize(
    "name",
    ["Set-Cookie2", "X-CSRF-Token", "x-xsrf-token", "X-Auth-Token", "X-API-Key", "Authentication", "X-Session-Id", "private-token"],
)
def test_headers_that_prove_who_somebody_is_are_known_by_their_names(name: str) -> None:
    redactor = Redactor(key=b"k" * 32)
    assert "canary" not in str(redactor.note([[name, "canary"], {name: "canary"}]))
    harmless = [["X-Request-Id", "r"], ["Content-Type", "t"], ["X-Token-Count", "3"], ["WWW-Authenticate", "Basic"]]
    assert redactor.note(harmless) == harmless


@pytest.mark.parametrize(
    "text",
    [
        "eyJ" * 100_000, "eyJ." * 75_000, 'name="password"\r\n\r\n' * 15_000, 'name="password" ' * 20_000,
        'name="password"\r\na\r\n' * 15_000, "email" + " " * 300_000, 'email\\":\\"' * 30_000, 'email="\\' * 40_000,
    ],
    ids=lambda text: text[:20].strip(),
)  # fmt: skip
def test_a_text_made_to_be_looked_at_for_ever_is_not(text: str) -> None:
    # Where each place was compared with all that follow it, this took minutes.
    redactor = Redactor(key=b"k" * 32)
    assert len(redactor.body(text, form=True)) > 0
    assert len(redactor.message(text)) == len(text)


def test_a_form_that_is_sent_in_parts_loses_its_secrets_too() -> None:
    part = '--b\r\nContent-Disposition: form-data; name="{}"\r\nContent-Type: text/plain\r\n\r\n{}\r\n'
    text = part.format("password", "canary") + part.format("x", "kept") + "--b--"
    clean = Redactor(key=b"k" * 32).body(text, form=True)
    assert nameless(clean) == text.replace("canary", "redacted")


def test_a_form_is_known_by_being_said_to_be_one() -> None:
    redactor = Redactor(key=b"k" * 32)
    form = redactor.body("username=canary-1&remember=on&password=canary-2&code=canary-2&email=canary-3", form=True)
    assert nameless(form) == "username=redacted&remember=on&password=redacted&code=redacted&email=redacted"
    # Equal secrets stay equal.
    assert len(set(MARK.findall(form))) == 3


@pytest.mark.parametrize(
    "text",
    [f'{{"auth_token":"{JWT}"}}', f'auth_token: "{JWT}"', f"user = {{&quot;auth_token&quot;:&quot;{JWT}&quot;}}"],
)
def test_a_page_hands_out_a_token_however_it_is_written(text: str) -> None:
    assert page_tokens(text) == [JWT]


def test_a_page_for_nobody_hands_out_none() -> None:
    assert page_tokens("a page") == []
    assert page_tokens(f'{{"auth_token":"{ANONYMOUS_TOKEN}"}}') == []
    assert page_tokens('{"auth_token":"widget_user_token-1"}') == []
