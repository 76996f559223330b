from __future__ import annotations

import base64
import json
import logging
import math
from pathlib import Path
from typing import Any

import pytest

from tvstreamer.auth import AHEAD, RETRY, Credentials, TokenWatch, session_cookie, token_expiry
from tvstreamer.constants import ANONYMOUS_TOKEN
from tvstreamer.errors import (
    CredentialsNotFound,
    InvalidPlan,
    MissingDependencyError,
    TokenExpired,
    TokenRefreshFailed,
)
from tvstreamer.protocol import framing

ENVIRONMENT = {
    "TVSTREAMER_TOKEN": "env-token",
    "TVSTREAMER_SESSIONID": "env-id",
    "TVSTREAMER_SESSIONID_SIGN": "env-sign",
}


def test_without_anything_one_is_anonymous() -> None:
    nobody = Credentials.from_environment({})
    assert (nobody.token, nobody.cookie, nobody.is_anonymous, nobody.secrets()) == (ANONYMOUS_TOKEN, None, True, ())


def test_the_environment_gives_token_and_cookie() -> None:
    found = Credentials.from_environment(ENVIRONMENT)
    assert found.token == "env-token"
    assert found.cookie == "sessionid=env-id; sessionid_sign=env-sign"


def test_arguments_win_over_the_environment() -> None:
    found = Credentials.from_environment(ENVIRONMENT, token="mine", sessionid="id", sessionid_sign="sign")
    assert (found.token, found.cookie) == ("mine", "sessionid=id; sessionid_sign=sign")


def test_a_session_of_ones_own_is_not_signed_with_the_environments_signature() -> None:
    assert Credentials.from_environment(ENVIRONMENT, sessionid="id").cookie == "sessionid=id"


def test_a_whole_cookie_wins_over_a_session() -> None:
    assert Credentials.from_environment(ENVIRONMENT, cookie="a=b", sessionid="id").cookie == "a=b"


def test_empty_values_count_as_not_set() -> None:
    found = Credentials.from_environment(dict.fromkeys(ENVIRONMENT, ""), token="", sessionid="")
    assert found == Credentials()


def test_a_signature_without_a_session_makes_no_cookie() -> None:
    assert Credentials.from_environment({"TVSTREAMER_SESSIONID_SIGN": "sign"}).cookie is None


def test_no_repr_shows_a_secret() -> None:
    shown = repr(Credentials("my-secret-token", "sessionid=my-secret-cookie"))
    assert "secret" not in shown
    assert shown == "<Credentials token of 15 characters, with a cookie>"
    assert repr(Credentials()) == "<Credentials anonymous, no cookie>"


@pytest.mark.parametrize(
    "environ", [{"TVSTREAMER_SESSIONID": "canary id"}, {"TVSTREAMER_TOKEN": "canary\n"}], ids=["cookie", "token"]
)
def test_what_pytest_shows_of_a_refused_one_does_not_have_it(environ: dict[str, str]) -> None:
    with pytest.raises(InvalidPlan, match="not shown") as caught:
        Credentials.from_environment(environ)
    # A function is shown with its arguments, unless it hides itself.
    shown = {entry.name for entry in caught.traceback.filter(caught)}  # type: ignore[no-untyped-call]
    assert shown.isdisjoint({"from_environment", "session_cookie", "require_header_safe"})


def test_secrets_are_the_token_the_cookie_and_the_values_in_it() -> None:
    assert Credentials("tok", "sessionid=abc; sessionid_sign=v1:x==").secrets() == (
        "tok",
        "sessionid=abc; sessionid_sign=v1:x==",
        "abc",
        "v1:x==",
    )


@pytest.mark.parametrize("smuggled", ["hidden\r\nHost: evil", "hidden\n", "hidden\x00", "hidden\x7f"])
def test_a_control_character_is_refused_without_showing_the_value(smuggled: str) -> None:
    for build in (lambda: Credentials(token=smuggled), lambda: Credentials(cookie=smuggled)):
        with pytest.raises(InvalidPlan, match="control characters") as caught:
            build()
        assert "hidden" not in str(caught.value)


def test_what_is_no_text_is_refused_without_showing_it() -> None:
    for build in (lambda: Credentials(token=4711), lambda: session_cookie("ok", 4711)):  # type: ignore[arg-type]
        with pytest.raises(InvalidPlan, match=r"not shown, int\): expected text"):
            build()


@pytest.mark.parametrize("value", ["hidden; other=1", "hid den", 'hidden"', "hidden,"])
def test_what_would_end_a_cookie_is_refused_without_showing_it(value: str) -> None:
    with pytest.raises(InvalidPlan, match="sessionid_sign") as caught:
        session_cookie("ok", value)
    assert "hid" not in str(caught.value)


def _jwt(payload: object) -> str:
    body = base64.urlsafe_b64encode(json.dumps(payload).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJSUzUxMiJ9.{body}.c2lnbmF0dXJl"


@pytest.mark.parametrize("padding", ["", "a", "ab", "abc", "\u00ff\u00fe??>>"])
def test_the_expiry_of_a_jwt_is_read_whatever_its_length(padding: str) -> None:
    assert token_expiry(_jwt({"x": padding, "exp": 1_766_000_000})) == 1_766_000_000.0


@pytest.mark.parametrize(
    "token",
    [
        ANONYMOUS_TOKEN, "", "a.b", "a.b.c", "..", "a.!!!.c", "\u00e9.\u00e9.\u00e9",
        _jwt({}), _jwt([]), _jwt("exp"), _jwt({"exp": "soon"}), _jwt({"exp": None}), _jwt({"exp": True}),
        _jwt({"exp": 10**400}),
    ],
)  # fmt: skip
def test_what_does_not_tell_its_expiry_has_none(token: str) -> None:
    assert token_expiry(token) is None


CANARY = "canary-5f1c"
"""Part of every secret below: no error, repr or log may hold it."""


def jwt(expires: object, mark: str = CANARY) -> str:
    parts = ({"alg": "none"}, {"exp": expires, "mark": mark})
    return ".".join([*(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts), CANARY])


# --- keyring ----------------------------------------------------------------------------------------------------------


class Passwords(dict[tuple[str, str], str]):
    def get_password(self, service: str, name: str, /) -> str | None:
        return self.get((service, name))


class Locked:
    def get_password(self, service: str, name: str, /) -> str | None:
        raise RuntimeError(f"locked: {CANARY}")


def test_a_keyring_gives_token_and_cookie() -> None:
    backend = Passwords({("tvstreamer", "token"): "t", ("tvstreamer", "sessionid"): "id", ("mine", "sessionid"): "other"})
    found = Credentials.from_keyring(backend=backend)
    assert (found.token, found.cookie) == ("t", "sessionid=id")
    assert Credentials.from_keyring("mine", backend=backend).is_anonymous


@pytest.mark.parametrize(("backend", "said"), [(Passwords(), "expected a password for 'token'"), (Locked(), "cannot be read: RuntimeError")])
def test_a_keyring_without_them_says_so(backend: Any, said: str) -> None:
    with pytest.raises(CredentialsNotFound, match=said) as caught:
        Credentials.from_keyring(backend=backend)
    assert CANARY not in str(caught.value)
    assert caught.value.__cause__ is None


# --- HAR --------------------------------------------------------------------------------------------------------------


def entry(url: str = "wss://data.tradingview.com/socket.io/websocket", *, sent: list[str] | None = None, page: str = "", **request: Any) -> dict[str, Any]:
    messages = [{"type": "send", "data": data, "opcode": 1} for data in sent or ()]
    return {"request": {"url": url, **request}, "response": {"content": {"text": page}}, "_webSocketMessages": messages}


def auth(token: str) -> str:
    return framing.packet(json.dumps({"m": "set_auth_token", "p": [token]}))


def har(path: Path, *entries: dict[str, Any]) -> Path:
    path.write_text(json.dumps({"log": {"version": "1.2", "entries": entries}}))
    return path


def test_a_har_file_gives_the_newest_token_and_the_session(tmp_path: Path) -> None:
    path = har(
        tmp_path / "a.har",
        entry("https://www.tradingview.com/", page=f'x "auth_token": "{jwt(1)}" y'),
        entry(sent=["broken set_auth_token", auth(jwt(2)), auth(ANONYMOUS_TOKEN), "~m~4~m~~h~1"]),
        entry("https://tradingview.com/", headers=[{"name": "User-Agent", "value": "x"}, {"name": "Cookie", "value": "a=b; sessionid=one; sessionid_sign=v1:x="}]),
        entry("https://www.tradingview.com/", cookies=[{"name": "sessionid", "value": "two"}, {"name": "sessionid_sign", "value": ""}]),
        entry("https://www.tradingview.com/", page='"auth_token":"unauthorized_user_token"'),
    )
    found = Credentials.from_har(path)
    assert found.token == jwt(2)
    assert found.cookie == "sessionid=two; sessionid_sign=v1:x="


def test_a_page_serves_where_no_socket_was_saved(tmp_path: Path) -> None:
    path = har(tmp_path / "a.har", entry("https://de.tradingview.com/", page=f'"auth_token":"{jwt(1)}"'))
    assert (Credentials.from_har(path).token, Credentials.from_har(path).cookie) == (jwt(1), None)


def test_a_session_alone_is_found_too(tmp_path: Path) -> None:
    path = har(tmp_path / "a.har", entry(cookies=[{"name": "sessionid", "value": "one"}]))
    assert Credentials.from_har(path).cookie == "sessionid=one"


@pytest.mark.parametrize(
    "url", ["https://tradingview.com.evil.example/", "https://eviltradingview.com/", "http://[/", "", "data:text/plain,www.tradingview.com"]
)
def test_nobody_else_is_looked_at(tmp_path: Path, url: str) -> None:
    path = har(tmp_path / "a.har", entry(url, sent=[auth(jwt(1))], page=f'"auth_token":"{jwt(1)}"', cookies=[{"name": "sessionid", "value": CANARY}]))
    with pytest.raises(CredentialsNotFound, match="holds no token") as caught:
        Credentials.from_har(path)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["", "no JSON " + CANARY, "[]", '{"log":{}}', '{"log":{"entries":[{"request":{"url":7}}]}}', '{"log":{"entries":' + "[" * 100_000, "\ud800"],
)
def test_what_is_no_har_file_is_refused_without_its_text(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.har"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(CredentialsNotFound, match="expected a HAR file") as caught:
        Credentials.from_har(path)
    assert CANARY not in str(caught.value)


def test_a_har_file_that_cannot_be_read_or_is_too_long_is_named(tmp_path: Path) -> None:
    with pytest.raises(CredentialsNotFound, match="absent.*cannot be read: No such file"):
        Credentials.from_har(tmp_path / "absent")
    path = har(tmp_path / "long.har", entry(cookies=[{"name": "sessionid", "value": "one"}]))
    size = path.stat().st_size
    assert Credentials.from_har(path, most=size).cookie == "sessionid=one"
    with pytest.raises(CredentialsNotFound, match=f"long.har': more than {size - 1} bytes, expected a HAR file of at most so many"):
        Credentials.from_har(path, most=size - 1)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs a file that does not end")
def test_a_har_file_that_does_not_end_is_given_up() -> None:
    with pytest.raises(CredentialsNotFound, match="/dev/zero': more than 1000 bytes"):
        Credentials.from_har("/dev/zero", most=1000)


def test_a_session_that_is_no_cookie_is_refused_without_its_value(tmp_path: Path) -> None:
    path = har(tmp_path / "a.har", entry(cookies=[{"name": "sessionid", "value": f"{CANARY}\r\nEvil: 1"}]))
    with pytest.raises(InvalidPlan) as caught:
        Credentials.from_har(path)
    assert CANARY not in str(caught.value)


def test_a_command_line_names_where_they_are(tmp_path: Path) -> None:
    path = har(tmp_path / "a.har", entry(sent=[auth(jwt(1))]))
    assert Credentials.of("env", ENVIRONMENT).token == "env-token"
    assert Credentials.of(f"har:{path}", {}).token == jwt(1)
    for spec in ("keyring", "keyring:mine"):
        with pytest.raises((MissingDependencyError, CredentialsNotFound), match="keyring"):
            Credentials.of(spec, {})
    for spec in ("", "har:", "keyring:", "file"):
        with pytest.raises(InvalidPlan, match="expected env, keyring, keyring:SERVICE or har:FILE"):
            Credentials.of(spec, {})


# --- another token in time --------------------------------------------------------------------------------------------


class Hook:
    """Gives one thing after the other; an exception is raised."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.told: list[tuple[float, ...]] = []

    def __call__(self, *told: float) -> Any:
        self.told.append(told)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_a_token_that_says_nothing_of_its_end_is_never_due() -> None:
    watch = TokenWatch("opaque", fetch=None, expiring=Hook())
    assert (watch.start(0.0), watch.due) == ("opaque", math.inf)
    assert TokenWatch(jwt(1000), fetch=None, expiring=None).due == math.inf, "nobody would be asked"


def test_another_is_got_before_it_expires() -> None:
    first, second = jwt(1000, "first"), jwt(2000, "second")
    hook = Hook(first, second)
    watch = TokenWatch(ANONYMOUS_TOKEN, fetch=hook, expiring=None)
    assert watch.start(0.0) == first
    assert watch.due == 1000 - AHEAD
    assert watch.renew(watch.due) == watch.token == second
    assert watch.due == 2000 - AHEAD
    assert CANARY not in repr(watch)


def test_whoever_is_told_gets_the_moment_and_need_not_have_another() -> None:
    hook = Hook(None)
    watch = TokenWatch(jwt(1000), fetch=None, expiring=hook)
    watch.start(0.0)
    assert watch.renew(900.0) is None
    assert (hook.told, watch.due) == ([(1000.0,)], math.inf)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (RuntimeError(f"no: {CANARY}"), "the hook raised RuntimeError"),
        (7, "the hook returned int, expected a token"),
        ("", "the hook returned str, expected a token"),
        (f"{CANARY}\r\nEvil: 1", "the hook returned str, expected a token"),
        (jwt(899), "the hook returned a token that has expired"),
    ],
)
def test_a_hook_that_fails_is_asked_again_until_it_is_too_late(answer: Any, said: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    watch = TokenWatch(jwt(1000), fetch=Hook(answer, answer, answer), expiring=None)
    assert watch.renew(900.0) is None
    assert watch.due == 900 + RETRY
    assert watch.renew(995.0) is None
    assert watch.due == 1000.0
    with pytest.raises(TokenRefreshFailed, match="expired at 1970-01-01 00:16:40Z, and there is no other: " + said) as caught:
        watch.renew(1000.0)
    assert CANARY not in str(caught.value) + caplog.text
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    with pytest.raises(TokenRefreshFailed, match="no token: " + said):
        TokenWatch(ANONYMOUS_TOKEN, fetch=Hook(answer), expiring=None).start(900.0)


def test_a_fetch_that_returns_nothing_has_failed() -> None:
    with pytest.raises(TokenRefreshFailed, match="NoneType"):
        TokenWatch(ANONYMOUS_TOKEN, fetch=Hook(None), expiring=None).start(0.0)


def test_a_token_that_has_expired_is_not_begun_with() -> None:
    with pytest.raises(TokenExpired, match="the token expired at 1970-01-01 00:16:40Z; expected one"):
        TokenWatch(jwt(1000), fetch=None, expiring=None).start(1000.0)
    with pytest.raises(TokenExpired, match="on_token_expiring gave no other"):
        TokenWatch(jwt(1000), fetch=None, expiring=Hook(None)).start(1000.0)
    second = jwt(2000)
    assert TokenWatch(jwt(1000), fetch=None, expiring=Hook(second)).start(1000.0) == second
    with pytest.raises(TokenExpired, match="1e[+]300"):
        TokenWatch(jwt(1e300), fetch=None, expiring=None).start(1e301)
