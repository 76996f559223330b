"""The page that has the token of who is logged in: what it says, and what it means when it says nothing. No I/O."""

from __future__ import annotations

import re
from typing import Final

from tvstreamer.auth import page_token
from tvstreamer.errors import AuthError, RemoteProtocolError, ServerError

PAGE_PATH: Final = "/chart/"
CAPTCHA: Final = "the site asks for a human (a captcha page): try again later, or with a browser from this machine"

_NOBODY = re.compile(r"is_authenticated[\"']?\s*[=:]\s*(?:false|!1)\b")
_CAPTCHA = re.compile(r"captcha|not a robot|verify you are human|are you human", re.IGNORECASE)


def is_captcha(page: str) -> bool:
    """Whether a page wants to see a human. Pages that are none may know the word, too: look for what else they say first."""
    return "auth_token" not in page and _CAPTCHA.search(page) is not None


def token_of(page: str) -> str:
    """The token in a page that was asked for with the cookies of a session.

    Raises `AuthError` where the page is that of nobody, `ServerError` where it asks for a human, and `RemoteProtocolError` for
    any other. No text of these has anything of the page.
    """
    __tracebackhide__ = True
    token = page_token(page)
    if token:
        return token
    if _NOBODY.search(page):
        raise AuthError("the site does not know this session: sessionid or sessionid_sign is wrong, or they have expired")
    if is_captcha(page):
        raise ServerError(f"{PAGE_PATH}: {CAPTCHA}")
    raise RemoteProtocolError(
        f'the page at {PAGE_PATH} has changed: expected "auth_token":"..." somewhere in its {len(page)} characters'
    )
