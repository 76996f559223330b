"""Secrets out, before bytes reach the disk.

What is secret is known by the protocol's schema: the parameter of `set_auth_token`, the `via` address of the hello, cookies
and authorization headers, what a page says of who is logged in, user and layout ids and tokens in URLs, anything that looks
like a JSON web token, and each value that the recorder itself was given. A pseudonym takes its place, keyed per tape, so that
equal secrets stay equal within one tape and cannot be compared across two.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets as system_random
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tvstreamer.constants import ANONYMOUS_TOKEN
from tvstreamer.errors import FramingError
from tvstreamer.protocol import framing
from tvstreamer.protocol.settings import is_nobodys

if TYPE_CHECKING:
    from random import Random

SCRUBBED = ["token", "cookie", "via", "user_id"]
"""What a tape's header lists as scrubbed."""

_MARK = "redacted-"
_PSEUDONYM = re.compile(r"redacted-[0-9a-f]{16}")
_AUTH = re.compile(r'"m"\s*:\s*"set_auth_token"')
_PARAMETER = re.compile(r'("p"\s*:\s*\[\s*")((?:[^"\\]|\\.)*)(")')
_VIA = re.compile(r'("via"\s*:\s*")((?:[^"\\]|\\.)*)(")')
_JWT = re.compile(
    # Only where a word begins that two dots follow: looked for at each `eyJ`, a long row of them would take for ever.
    r"(?<![A-Za-z0-9_-])(?=[A-Za-z0-9_-]*\.[A-Za-z0-9_-]{5,}\.)([A-Za-z0-9_-]*?)"
    r"(eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*)"
)
_LAYOUT = re.compile(r"((?:chart%2F|chart/)(?!redacted-))([A-Za-z0-9]{4,})", re.IGNORECASE)
_PROOFS = r"[\w-]*(?:token|secret|session_?id)|jwt|api_?key|pass(?:w(?:or)?d)?|pwd"
"""Names of parameters, of whatever service, whose values prove who somebody is."""
_QUERY = re.compile(
    # Of these words the last may mean anything where what they name is short, and requests are told apart by it.
    rf"([?&#;](?:(?:{_PROOFS}|session[a-z_]*|user_?id|user|id)=|(?:key|code|sid|sig|signature)=(?=[^&#\s\"]{{16}})))([^&#\s\"]+)",
    re.IGNORECASE,
)
_NESTED_QUERY = re.compile(rf"(%(?:3F|26|23)(?:{_PROOFS})%3D)((?:(?!%26|%23)[^&#\s\"])+)", re.IGNORECASE)
"""The same in an address that is a parameter itself."""
_USERINFO = re.compile(r"(://)([^/?#\s\"]+)(@)")
_SECRET_HEADER = re.compile(
    r"(?:set-)?cookie2?|(?:proxy-|x-)?auth(?:orization|entication|-key)?|[\w-]*(?:token|secret|csrf|xsrf|api-?key|session-?id)",
    re.IGNORECASE,
)
_SHORTEST = 4
_PAIR = 2
_LONGEST = 65_536
_FIELDS = (
    "auth_token|session_hash|private_channel|sessionid|sessionid_sign|device_t|csrf_?[tT]oken|csrfmiddlewaretoken|password|username"
    "|first_name|last_name|email|(?:access|refresh|id|session|api|bearer)_?[tT]oken|api_?[kK]ey|(?:client|api)_?[sS]ecret"
)
_FIELD = r"""((?<![\w-])(?:{names})["']?\s*[:=]\s*(["']))((?:\\.|(?!\2)[^\\\n])+)(?=\2)"""
_ENCODED_FIELD = (
    r"""((?<![A-Za-z_-])(?:{names})(\\{{1,7}}["']|&quot;|&#34;|&#x22;|\\{{1,7}}u0022|%22)\s*(?::|%3[aA])\s*\2)"""
    rf"""((?:(?!(?<!\\)\2)[^\n]){{{{1,{_LONGEST}}}}}?)(?<!\\)(?=\2)"""
)
"""The same in a text that stands in a string, an attribute or an address, its quotes written as is the custom there."""
_FIELD_PATTERNS = [re.compile(form.format(names=_FIELDS)) for form in (_FIELD, _ENCODED_FIELD)]
_TOKEN_PATTERNS = [re.compile(form.format(names="auth_token")) for form in (_FIELD, _ENCODED_FIELD)]
_FORM_NAMES = rf"{_FIELDS}|{_PROOFS}|code"
_FORM_FIELD = re.compile(rf"((?:^|&)(?:{_FORM_NAMES})=)([^&\s]+)", re.IGNORECASE)
_FORM_PART = re.compile(
    rf'(\bname="(?:{_FORM_NAMES})"[^\r\n]{{0,200}}\r\n(?:[^\r\n]{{1,200}}\r\n){{0,3}}\r\n)([^\r\n]+)', re.IGNORECASE
)
"""The same in a form that is sent in parts."""
_USER_ID = re.compile(
    r'(\\?"user_?id\\?"\s*:\s*(?:\\?")?|\\?"id\\?"\s*:\s*(?=\d+\s*,\s*\\?"username))\d+', re.IGNORECASE
)  # fmt: skip


def _is_secret_header(name: Any) -> bool:
    return isinstance(name, str) and _SECRET_HEADER.fullmatch(name) is not None


def page_tokens(text: str) -> list[str]:
    """The tokens of somebody that a page or an answer hands out."""
    if "auth_token" not in text:
        return []
    found = [match.group(3) for pattern in _TOKEN_PATTERNS for match in pattern.finditer(text)]
    return [token for token in found if not is_nobodys(token)]


def _holds_token(lines: bytes) -> bool:
    """Whether a web token might begin here, with `eyJ`. `J` alone is rare, and looked for many times as fast."""
    at = lines.find(b"J")
    while at >= 0:
        if lines.endswith(b"ey", 0, at):
            return True
        at = lines.find(b"J", at + 1)
    return False


def new_key(rng: Random | None = None) -> bytes:
    """The key of one tape's pseudonyms: random, or drawn from `rng` where two runs have to give the same tape."""
    return system_random.token_bytes(32) if rng is None else rng.randbytes(32)


def nameless(text: str) -> str:
    """A text in which all pseudonyms are the same: what is left to compare across two tapes."""
    return _PSEUDONYM.sub("redacted", text)


def _forms(secret: str) -> tuple[str, ...]:
    """A value as it may stand in a message or an address: as it is, as JSON's escapes, percent-encoded."""
    return (
        secret,
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        quote(secret, safe="", errors="replace"),
        quote(secret, errors="replace"),
    )


class Redactor:
    """Takes secrets out of messages, URLs and notes. Its repr tells none. Applying it twice changes nothing."""

    def __init__(self, *, key: bytes, secrets: Iterable[str] = ()) -> None:
        self._key = key
        self._secrets: list[str] = []
        self._needles: list[bytes] = []
        self.learn(secrets)

    def __repr__(self) -> str:
        return f"<Redactor of {len(self._secrets)} given secrets>"

    def learn(self, secrets: Iterable[str]) -> None:
        """From now on these are secret too."""
        forms = {form for secret in secrets if len(secret) >= _SHORTEST for form in _forms(secret)}
        # The longest first, as one may be part of another.
        self._secrets = sorted({*self._secrets, *forms} - {ANONYMOUS_TOKEN}, key=lambda form: (-len(form), form))
        self._needles = [secret.encode("utf-8", "surrogatepass") for secret in self._secrets]

    def pseudonym(self, secret: str) -> str:
        """What stands for this secret on this tape."""
        if _PSEUDONYM.fullmatch(secret):
            return secret
        return _MARK + hashlib.blake2b(secret.encode("utf-8", "surrogatepass"), key=self._key, digest_size=8).hexdigest()

    def message(self, text: str) -> str:
        """A message without secrets, its length headers right again."""
        try:
            payloads = framing.split(text)
        except FramingError:
            return self._clean(text)
        # Packet by packet: a parameter is a token only in the packet whose method says so.
        clean = [self._clean(payload) for payload in payloads]
        return text if clean == payloads else framing.join(clean)

    def suspects(self, lines: bytes) -> bool:
        """Whether there might be a secret in these lines of a tape, which hold packets of a server and no hello.

        One look at many of them, as next to none holds any.
        """
        return _holds_token(lines) or any(secret in lines for secret in self._needles)

    def _clean(self, text: str) -> str:
        if "set_auth_token" in text and _AUTH.search(text):
            text = _PARAMETER.sub(self._token, text)
        if '"via"' in text and '"session_id"' in text:
            text = _VIA.sub(self._middle, text)
        if "eyJ" in text:
            text = _JWT.sub(self._tail, text)
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, self.pseudonym(secret))
        return text

    def url(self, url: str) -> str:
        """An address without user, tokens, and user and layout ids."""
        url = _USERINFO.sub(self._middle, url)
        url = _NESTED_QUERY.sub(self._tail, _QUERY.sub(self._tail, url))
        return self._clean(_LAYOUT.sub(self._tail, url))

    def body(self, text: str, *, form: bool = False) -> str:
        """A page, an answer in JSON, or a form, without what says who somebody is, or proves it. User ids become 0."""
        for pattern in _FIELD_PATTERNS:
            text = pattern.sub(self._value, text)
        if form:
            text = _FORM_PART.sub(self._tail, _FORM_FIELD.sub(self._tail, text))
        return self._clean(_USER_ID.sub(r"\g<1>0", text))

    def note(self, value: Any) -> Any:
        """Any JSON value without secrets in its strings; headers that carry them are emptied by name."""
        if isinstance(value, dict):
            return {self.note(key): self._field(key, each) for key, each in value.items()}
        if isinstance(value, list):
            if len(value) == _PAIR and _is_secret_header(value[0]):
                return [value[0], self._hidden(value[1])]
            return [self.note(each) for each in value]
        return self.url(value) if isinstance(value, str) else value

    def _field(self, key: Any, value: Any) -> Any:
        return self._hidden(value) if _is_secret_header(key) else self.note(value)

    def _hidden(self, value: Any) -> Any:
        """Every string in a value that is secret as a whole."""
        if isinstance(value, dict):
            return {key: self._hidden(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self._hidden(each) for each in value]
        return self.pseudonym(value) if isinstance(value, str) else value

    def _token(self, match: re.Match[str]) -> str:
        return match.group() if is_nobodys(match.group(2)) else self._middle(match)

    def _value(self, match: re.Match[str]) -> str:
        return match.group() if is_nobodys(match.group(3)) else match.group(1) + self.pseudonym(match.group(3))

    def _middle(self, match: re.Match[str]) -> str:
        return match.group(1) + self.pseudonym(match.group(2)) + match.group(3)

    def _tail(self, match: re.Match[str]) -> str:
        return match.group(1) + self.pseudonym(match.group(2))
