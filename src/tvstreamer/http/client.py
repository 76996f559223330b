"""`HttpClient`: one request, one answer, each within limits; every way in which that can fail, as an error of ours.

httpx is imported when the first request is made. It is what vcrpy knows to record and to replay, so a test can put either of them
under this client.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import urlencode, urljoin, urlsplit

from tvstreamer import __version__
from tvstreamer.addresses import host_of, is_loopback, is_theirs
from tvstreamer.auth import Credentials, require_header_safe
from tvstreamer.clock import Clock, SystemClock
from tvstreamer.constants import DEFAULT_ORIGIN, MAX_BODY
from tvstreamer.errors import (
    ConnectFailed,
    CredentialsNotFound,
    InvalidPlan,
    InvalidSource,
    LocalProtocolError,
    MissingDependencyError,
    RemoteProtocolError,
    ServerError,
    TransportTimeout,
    TvError,
    shorten,
)
from tvstreamer.http.search import SEARCH_PATH, SearchPage, SearchQuery, SymbolMatch, read_page
from tvstreamer.http.session import CAPTCHA, PAGE_PATH, is_captcha, token_of
from tvstreamer.http.sites import Site, read_site
from tvstreamer.lifetimes import current_watch

if TYPE_CHECKING:
    import httpx

MOST_REDIRECTS: Final = 5
LONGEST_TIMEOUT: Final = 600.0
_MOST_DIGITS: Final = 7
_JSON: Final = "application/json"
_HTML: Final = "text/html"
_CODINGS: Final = ("", "identity", "gzip", "x-gzip", "deflate")
_REDIRECTS: Final = (301, 302, 303, 307, 308)


class HttpClient:
    """Searches symbols, and gets the token of a browser session.

    `source` is `live`, `live:host=de` for the site of a region, the `http://` or `ws://` address of a fake server, or a
    `FakeServer`, which is then asked in this process, without a socket. `auth` has the cookies; without it they come from the
    environment, as those of `TvWSClient` do. They go to the page with the token and nowhere else: no redirect to another host is
    followed.

    `timeout` is how many seconds a request may take in all, redirects included, `most` how many bytes an answer may have.
    `headers` are sent with every request, in place of ours where they have the same name. All methods may be called from any
    thread, one request is made at a time.
    """

    def __init__(
        self,
        source: object = "live",
        *,
        auth: Credentials | None = None,
        timeout: float = 10.0,
        most: int = MAX_BODY,
        headers: Sequence[tuple[str, str]] = (),
        clock: Clock | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        if not 0 < timeout <= LONGEST_TIMEOUT:
            raise InvalidPlan(f"timeout {timeout!r}: expected seconds above 0 and up to {LONGEST_TIMEOUT:g}")
        if most < 1:
            raise InvalidPlan(f"most {most!r}: expected a number of bytes above 0")
        for name, value in headers:
            require_header_safe("header name", name)
            require_header_safe(f"header {name}", value)
        self._site = read_site(source)
        self._auth = auth or Credentials.from_environment(environ)
        self._timeout = timeout
        self._most = most
        # The search wants to hear of the site; what cannot be unpacked here is not asked for.
        usual = {
            "User-Agent": f"tvstreamer/{__version__}",
            "Origin": DEFAULT_ORIGIN,
            "Referer": f"{DEFAULT_ORIGIN}/",
            "Accept-Encoding": "gzip, deflate",
        }
        given = {name.lower() for name, _ in headers}
        self._headers = [*(pair for pair in usual.items() if pair[0].lower() not in given), *headers]
        self._clock = clock or SystemClock()
        self._watch = current_watch()
        self._lock = threading.Lock()
        self._client: httpx.Client | None = None
        self._closed = False

    def __repr__(self) -> str:
        return f"<HttpClient of {self._site.pages}{', closed' if self._closed else ''}>"

    def close(self) -> None:
        """Closes the connections. Safe to repeat."""
        with self._lock:
            self._closed = True
            client, self._client = self._client, None
        if client is not None:
            client.close()
        self._watch.closed(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    # --- symbol search ------------------------------------------------------------------------------------------------

    def search(self, text: str = "", *, limit: int | None = None, **filters: Any) -> Iterator[SymbolMatch]:
        """All that matches, the best first; pages are asked for as they are needed, the first with the first row.

        `filters` are the fields of `SearchQuery`: `type`, `exchange`, `country`, ... Raises `InvalidPlan` at once, and errors of
        a request where it is made.
        """
        query = _query(text, filters)
        if limit is not None and limit < 1:
            raise InvalidPlan(f"limit {limit!r}: expected a number of rows above 0, or None for all")
        return self._rows(query, limit)

    def _rows(self, query: SearchQuery, limit: int | None) -> Iterator[SymbolMatch]:
        start, before = 0, None
        while limit is None or start < limit:
            page = self._page(query, start)
            yield from page.matches if limit is None else page.matches[: limit - start]
            start += len(page.matches)
            if not page.remaining:
                return
            if not page.matches or (before is not None and page.remaining >= before):
                # It would never end.
                raise RemoteProtocolError(
                    f"search: {page.remaining} rows remain behind a page of {len(page.matches)}, where {before} did before:"
                    " expected them to become fewer"
                )
            before = page.remaining

    def search_page(self, text: str = "", *, start: int = 0, **filters: Any) -> SearchPage:
        """One page: the rows from number `start` on, and how many come behind them. Raises as `search` does."""
        if start < 0:
            raise InvalidPlan(f"start {start!r}: expected the number of a row, from 0")
        return self._page(_query(text, filters), start)

    def _page(self, query: SearchQuery, start: int) -> SearchPage:
        url = f"{self._site.search}{SEARCH_PATH}?{urlencode(query.parameters(start))}"
        return read_page(self._get(url, _JSON), start)

    # --- the token ----------------------------------------------------------------------------------------------------

    def fetch_token(self) -> str:
        """The token of the session whose cookies were given.

        It is a function for `TvWSClient(token=...)`, which calls it when it connects, and again before a token expires.

        Raises `CredentialsNotFound` without a cookie, `AuthError` where the site does not know the session, and what any request
        raises. The token is in none of these, and neither is the cookie.
        """
        if self._auth.cookie is None:
            raise CredentialsNotFound("no session cookies: expected sessionid and sessionid_sign, of a browser that is logged in")
        if not self._site.keeps_secrets:
            raise InvalidSource(f"source {shorten(self._site.pages)}: expected https, or this machine, where cookies are sent to")
        page = self._get(f"{self._site.pages}{PAGE_PATH}", _HTML, auth=self._auth)
        return token_of(page.decode("utf-8", "replace"))

    # --- one request --------------------------------------------------------------------------------------------------

    def _get(self, url: str, expected: str, *, auth: Credentials | None = None) -> bytes:
        """The body of the answer, which has the content type that is expected."""
        with self._lock:
            deadline = self._clock.now() + self._timeout
            for _ in range(MOST_REDIRECTS + 1):
                response, body = self._exchange(url, expected, auth, deadline)
                if response.status_code not in _REDIRECTS:
                    break
                url = _next_place(url, response)
            else:
                raise ConnectFailed(_shown(url), f"more than {MOST_REDIRECTS} redirects", status=response.status_code)
        kind: str = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        text = body.decode("utf-8", "replace") if kind == _HTML else ""
        if is_captcha(text) and (expected != _HTML or response.status_code != 200):
            raise ServerError(f"GET {_shown(url)}: {CAPTCHA}")
        if response.status_code != 200:
            raise _refusal(url, response)
        if kind != expected:
            raise RemoteProtocolError(f"GET {_shown(url)}: content type {shorten(kind)}: expected {expected}")
        return body

    def _exchange(
        self, url: str, expected: str, auth: Credentials | None, deadline: float
    ) -> tuple[httpx.Response, bytes]:
        # Not the cookie itself: pytest shows the arguments of what has raised.
        client = self._opened()
        import httpx

        pairs = [*self._headers, ("Accept", expected), *([("Cookie", auth.cookie)] if auth and auth.cookie else [])]
        # As bytes: the library's own error for what is not ASCII shows the value.
        headers = [(name.encode("utf-8", "replace"), value.encode("utf-8", "replace")) for name, value in pairs]
        left = max(0.001, deadline - self._clock.now())
        end = _End(client, left)
        try:
            with end, client.stream("GET", url, headers=headers, timeout=left) as response:
                return response, self._read(url, response, deadline)
        except TvError:
            # A timeout of ours is an OSError, too.
            raise
        except Exception as error:
            if end.came or isinstance(error, httpx.TimeoutException):
                raise TransportTimeout(f"GET {_shown(url)}: no answer within {self._timeout:g} s") from None
            raise self._told(url, error) from None
        finally:
            if end.came:
                self._client = None

    def _told(self, url: str, error: Exception) -> Exception:
        """An error of the library as one of ours, without it: theirs hold the request, and so the cookie."""
        import httpx

        match error:
            case httpx.DecodingError():
                return RemoteProtocolError(f"GET {_shown(url)}: a body that cannot be unpacked: {shorten(str(error))}")
            case httpx.RemoteProtocolError():
                return RemoteProtocolError(f"GET {_shown(url)}: what answered does not speak HTTP: {shorten(str(error))}")
            case httpx.TransportError() | OSError():
                return _unreached(url, error)
            case httpx.InvalidURL():
                return ConnectFailed(_shown(url), f"not an address: {shorten(str(error))}", permanent=True)
            case _:
                return error

    def _read(self, url: str, response: httpx.Response, deadline: float) -> bytes:
        coding = response.headers.get("content-encoding", "").strip().lower()
        if coding not in _CODINGS:
            # Two of them can make gigabytes of a kilobyte before there is anything to count.
            raise RemoteProtocolError(f"GET {_shown(url)}: a body in {shorten(coding)}: expected gzip or deflate, and once")
        parts: list[bytes] = []
        size = 0
        for part in response.iter_bytes():
            parts.append(part)
            size += len(part)
            if size > self._most:
                raise RemoteProtocolError(f"GET {_shown(url)}: an answer of more than {self._most} bytes")
            if self._clock.now() > deadline:
                raise TransportTimeout(f"GET {_shown(url)}: the answer was not whole within {self._timeout:g} s")
        return b"".join(parts)

    def _opened(self) -> httpx.Client:
        if self._closed:
            raise LocalProtocolError("this client is closed; make a new one")
        if self._client is None:
            self._client = _new_client(self._site)
            self._watch.opened(self)
        return self._client


class _End:
    """A context in which a client's connections end when the time is over.

    The library's own timeouts begin anew with every byte that arrives, so that a server could go on for ever.
    """

    def __init__(self, client: httpx.Client, seconds: float) -> None:
        self.came = False
        self._client = client
        self._timer = threading.Timer(seconds, self._come)
        self._timer.daemon = True

    def _come(self) -> None:
        self.came = True
        self._client.close()

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._timer.join()


def _query(text: str, filters: dict[str, Any]) -> SearchQuery:
    try:
        return SearchQuery(text, **filters)
    except TypeError:
        known = SearchQuery.__dataclass_fields__
        wrong = next(name for name in filters if name not in known or name == "text")
        expected = ", ".join(name for name in known if name != "text")
        raise InvalidPlan(f"filter {shorten(wrong)}: expected some of {expected}") from None


def _new_client(site: Site) -> httpx.Client:
    """A client of the library that remembers no cookie, follows nothing, and says of each request what it was told to."""
    try:
        import httpx
    except ImportError as error:
        raise MissingDependencyError("httpx", "http") from error

    jar = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
    if site.server is None:
        # A proxy of the environment knows nobody on this machine.
        client = httpx.Client(cookies=jar, verify=ssl.create_default_context(), trust_env=not is_loopback(site.pages))
    else:
        answer_http = site.server.answer_http

        def handle(request: httpx.Request) -> httpx.Response:
            # Under any other name it is not this server that is meant.
            status, headers, body = answer_http(
                request.method, request.url.raw_path.decode("ascii"), request.headers.multi_items(), request.read()
            )
            return httpx.Response(status, headers=list(headers), stream=httpx.ByteStream(body))

        client = httpx.Client(cookies=jar, transport=httpx.MockTransport(handle))
    client.headers.clear()
    return client


def _shown(url: str) -> str:
    """An address without its parameters, which may be long."""
    return url.partition("?")[0]


def _next_place(url: str, response: httpx.Response) -> str:
    """Where a redirect leads. Raises `ConnectFailed` for another host: it would get what is meant for this one."""
    location: str = response.headers.get("location", "")
    try:
        there = urljoin(url, location)
    except ValueError:
        there = ""
    if not location:
        raise ConnectFailed(_shown(url), "redirected to nowhere", status=response.status_code)
    if _origin(there) == _origin(url):
        return there
    host = host_of(there)
    hint = f"; source='live:host={host}' asks that host" if is_theirs(there) else ""
    reason = f"redirected to {shorten(host or location)}, which is another host and is not asked{hint}"
    raise ConnectFailed(_shown(url), reason, status=response.status_code)


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme.lower(), parts.netloc.lower()


def _refusal(url: str, response: httpx.Response) -> ConnectFailed:
    status = response.status_code
    why = {
        403: ": refused; a blocked address, or the site takes this for a robot",
        404: ": nothing there",
        429: ": too many requests",
    }.get(status, ": the server has a problem" if status >= 500 else "")
    later: str = response.headers.get("retry-after", "").strip()
    seconds = float(later) if later.isascii() and later.isdecimal() and len(later) <= _MOST_DIGITS else None
    wait = "" if seconds is None else f"; it asks to wait for {seconds:g} s"
    return ConnectFailed(_shown(url), f"HTTP {status}{why}{wait}", status=status, retry_after=seconds)


def _unreached(url: str, error: Exception) -> ConnectFailed:
    system = _of_the_system(error)
    if isinstance(system, ssl.SSLCertVerificationError):
        return ConnectFailed(_shown(url), f"TLS certificate not accepted: {system.verify_message}", permanent=True)
    return ConnectFailed(_shown(url), (system and system.strerror) or shorten(str(error)))


def _of_the_system(error: BaseException | None) -> OSError | None:
    """What the operating system said, which the library wraps more than once."""
    while error is not None and not isinstance(error, OSError):
        error = error.__cause__ or error.__context__
    return error
