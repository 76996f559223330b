"""What the page with the token says."""

from __future__ import annotations

import pytest

from tvstreamer.errors import AuthError, RemoteProtocolError, ServerError
from tvstreamer.http.session import token_of

SECRET = "eyJhbGciOiJIUzUxMiJ9.eyJleHAiOjF9.c2ln"


@pytest.mark.parametrize(
    "page",
    [
        f'var user = {{"id":1,"auth_token":"{SECRET}","username":"x"}};',
        f'{{"auth_token": "unauthorized_user_token"}} {{"auth_token" :\t"{SECRET}"}}',
        f'is_authenticated = false; recaptcha; "auth_token":"{SECRET}"',
    ],
)
def test_the_token_is_what_is_looked_for_first(page: str) -> None:
    assert token_of(page) == SECRET


@pytest.mark.parametrize("mark", ["var is_authenticated = false;", '"is_authenticated":false', "window.is_authenticated=!1,"])
def test_the_page_of_nobody_means_that_the_cookies_are_wrong(mark: str) -> None:
    # The page of nobody knows the word as well: it offers to log in.
    with pytest.raises(AuthError, match="does not know this session: sessionid or sessionid_sign is wrong"):
        token_of(f"<html>{mark} recaptcha</html>")


@pytest.mark.parametrize("text", ["Please confirm that you are not a robot", "<div id=CAPTCHA>", "Verify you are human"])
def test_a_captcha_page_is_told_as_such(text: str) -> None:
    with pytest.raises(ServerError, match="asks for a human"):
        token_of(text)


@pytest.mark.parametrize("page", ["", "<html>new</html>", '"auth_token":"unauthorized_user_token"', "is_authenticated = true"])
def test_any_other_page_has_changed_and_is_not_quoted(page: str) -> None:
    with pytest.raises(RemoteProtocolError, match=f"has changed: expected .* in its {len(page)} characters") as caught:
        token_of(page)
    assert "html" not in str(caught.value)
