from __future__ import annotations

import json
from base64 import urlsafe_b64decode

import pytest

from tvstreamer.auth import token_expiry
from tvstreamer.server.issued_tokens import LIFETIME, IssuedTokens

NOW = 1_764_000_000.0


def test_a_token_is_a_web_token_that_says_when_it_expires() -> None:
    token = IssuedTokens(7).issue(NOW)
    assert token_expiry(token) == NOW + LIFETIME
    claims = json.loads(urlsafe_b64decode(token.split(".")[1] + "=="))
    assert claims == {"user_id": 1, "exp": NOW + LIFETIME, "iat": NOW, "plan": ""}


def test_a_server_accepts_its_own_tokens_until_they_expire() -> None:
    tokens = IssuedTokens(7, 60)
    token = tokens.issue(NOW)
    assert tokens.accepts(token, NOW + 59)
    assert not tokens.accepts(token, NOW + 60)
    assert IssuedTokens(7).issue(NOW) == IssuedTokens(7).issue(NOW)
    assert repr(tokens) == "<IssuedTokens good for 60 s>"


@pytest.mark.parametrize("change", [lambda t: "", lambda t: t[:-1], lambda t: f"x{t}", lambda t: "é.\ud800.x", lambda t: t.replace(".", "")])
def test_a_token_of_anybody_else_is_none_of_its_own(change: object) -> None:
    tokens = IssuedTokens(7)
    assert not tokens.accepts(change(tokens.issue(NOW)), NOW)  # type: ignore[operator]
    assert not tokens.accepts(IssuedTokens(8).issue(NOW), NOW)
