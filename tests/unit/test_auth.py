from __future__ import annotations

import base64
import json

import pytest

from tvstreamer.auth import Credentials, session_cookie, token_expiry
from tvstreamer.constants import ANONYMOUS_TOKEN
from tvstreamer.errors import InvalidPlan

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
