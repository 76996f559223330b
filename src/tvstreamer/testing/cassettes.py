"""HTTP exchanges of a test on the same tape as its stream: vcrpy records and replays them, and a tape is its cassette.

`use_tape(..., http=True)` puts a cassette under every HTTP library that vcrpy knows, as long as the tape is in use. Code that
has a `VCR` of its own can make it write tapes with `TapePersister`.
"""

from __future__ import annotations

import copy
import difflib
import os
import secrets
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from tvstreamer import __version__
from tvstreamer.clock import SystemClock
from tvstreamer.errors import MissingDependencyError, TapeFormatError, TapeMismatch, shorten
from tvstreamer.tape.compression import compression_of
from tvstreamer.tape.exchanges import Exchange, Headers, canonical_url, read_exchange
from tvstreamer.tape.format import Header, Record
from tvstreamer.tape.reader import TapeReader
from tvstreamer.tape.redact import Redactor, nameless, new_key
from tvstreamer.tape.writer import TapeWriter

try:
    from vcr import VCR
    from vcr.cassette import Cassette
    from vcr.errors import UnhandledHTTPRequestError
    from vcr.persisters.filesystem import CassetteNotFoundError
    from vcr.record_mode import RecordMode
    from vcr.request import Request
except ImportError as missing:
    raise MissingDependencyError("vcrpy", "vcr") from missing

_MATCHER: Final = "tvstreamer"
_KEY: Final = bytes(32)
MOST_BYTES: Final = 256 * 1024 * 1024
"""How long all bodies of a tape together may be."""

Happened = Callable[[Exchange], None]


class HttpSide:
    """The HTTP exchanges of one tape in use.

    `recorded` are those that may be replayed, each once, of equal ones the first first. With `records` what is not among them is
    asked for and handed to `happened`, else it is a `TapeMismatch`. From `start` to `stop` it is under all HTTP libraries of this
    process.
    """

    def __init__(
        self, name: str, recorded: Sequence[Exchange], *, records: bool, happened: Happened, secrets: Iterable[str] = ()
    ) -> None:
        self._same = _Alike(secrets)
        self._persister = _InUse(name, recorded, happened, self._same.named)
        vcr = VCR(record_mode=RecordMode.NEW_EPISODES if records else RecordMode.NONE)
        vcr.register_matcher(_MATCHER, self._same.require)
        options = vcr.get_merged_config(path=name, persister=self._persister, match_on=(_MATCHER,))
        self._context = _Cassette.use(**options)
        self._cassette: Any = None
        self._over = False

    def __repr__(self) -> str:
        return f"<HttpSide of {self._persister.name!r}, {len(self._persister.recorded)} exchanges recorded before>"

    def start(self) -> None:
        self._cassette = self._context.__enter__()

    def stop(self) -> None:
        """The libraries are as they were. Safe to repeat."""
        if self._cassette is not None and not self._over:
            self._over = True
            self._context.__exit__(None, None, None)

    @property
    def unplayed(self) -> list[str]:
        """The recorded exchanges that nobody has asked for."""
        counts: Mapping[int, int] = {} if self._cassette is None else self._cassette.play_counts
        return [str(exchange) for number, exchange in enumerate(self._persister.recorded) if not counts.get(number)]


class _InUse:
    """The persister of a tape in use: what is on it has been read, and what happens is written as it happens."""

    def __init__(self, name: str, recorded: Sequence[Exchange], happened: Happened, named: Callable[[Any], str]) -> None:
        self.name = name
        self.recorded = recorded
        self.happened = happened
        self.named = named

    def load_cassette(self, path: object, serializer: object) -> tuple[list[Any], list[dict[str, Any]]]:
        return [_request(each) for each in self.recorded], [_response(each) for each in self.recorded]

    def save_cassette(self, path: object, cassette: object, serializer: object) -> None: ...


class _Cassette(Cassette):  # type: ignore[misc]
    """A cassette that tells of each exchange when it happens, and of what is missing as a tape does."""

    _persister: _InUse
    _loaded = False
    _one_at_a_time = threading.Lock()

    def _load(self) -> None:
        super()._load()
        self._loaded = True

    def append(self, request: Any, response: Any) -> None:
        if not self._loaded:
            super().append(request, response)
            return
        # Not by way of the library, which would log the whole answer, and so what is secret in it.
        with self._one_at_a_time:
            # On the tape it is one exchange, so that it must not be played in this run, too.
            self.play_counts[len(self)] += 1
            self.data.append((request, copy.deepcopy(response)))
        self._persister.happened(_exchange(request, response))

    def can_play_response_for(self, request: Any) -> bool:
        can = bool(super().can_play_response_for(request))
        if not can and self.record_mode == RecordMode.NONE:
            raise self._missing(request)
        return can

    def play_response(self, request: Any) -> Any:
        with self._one_at_a_time:
            try:
                return super().play_response(request)
            except UnhandledHTTPRequestError:
                # Another thread had the last one.
                raise self._missing(request) from None

    def _missing(self, request: Any) -> TapeMismatch:
        named = self._persister.named
        asked = named(request)
        nearest = difflib.get_close_matches(asked, [named(each) for each in self.requests], n=1, cutoff=0.0)
        problem = f"{self._persister.name}: {asked} is not on the tape, or has been answered"
        return TapeMismatch(problem, nearest=nearest[0] if nearest else "")


class _Alike:
    """Whether a request is one that was recorded, of which the secrets have been taken out.

    Their places are alike whatever stands there; see `canonical_url`.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self._redactor = Redactor(key=_KEY, secrets=secrets)
        # Each request that is asked for is compared with all that were recorded.
        self._canonical = lru_cache(maxsize=None)(self._make_canonical)

    def named(self, request: Any) -> str:
        """A request in a text. No pseudonyms, as their key is not one of a tape: anybody could try what they stand for."""
        return f"{request.method} {nameless(self._redactor.url(request.uri))}"

    def require(self, asked: Any, recorded: Any) -> None:
        """Raises `AssertionError`, as vcrpy wants it."""
        first, second = (self._canonical(each.method, each.uri, _bytes(each.body_bytes)) for each in (asked, recorded))
        if first != second:
            raise AssertionError("another request")

    def _make_canonical(self, method: str, url: str, body: bytes) -> tuple[str, str, str]:
        text = self._redactor.body(body.decode("latin-1"), form=True)
        return method, canonical_url(url, self._redactor), nameless(text)


# --- a tape as the cassette of somebody's own VCR ------------------------------------------------------------------------------


class TapePersister:
    """For `VCR.register_persister`: cassettes are tapes, and what else is on a tape stays there.

    The serializer that vcrpy is set to is not used.
    """

    @staticmethod
    def load_cassette(path: str | os.PathLike[str], serializer: object) -> tuple[list[Any], list[dict[str, Any]]]:
        """What is on the tape. Raises vcrpy's `CassetteNotFoundError` where there is none, and as tapes do."""
        if not Path(path).exists():
            raise CassetteNotFoundError
        found = exchanges(Path(path))
        return [_request(each) for each in found], [_response(each) for each in found]

    @staticmethod
    def save_cassette(path: str | os.PathLike[str], cassette: Mapping[str, Any], serializer: object) -> None:
        """Puts these exchanges on the tape, those that are new at its end. The new tape takes its place in one step."""
        path = Path(path)
        wanted = [_exchange(*pair) for pair in zip(cassette["requests"], cassette["responses"], strict=True)]
        old = exchanges(path) if path.exists() else []
        # As vcrpy has had them, which knows less of headers.
        kept = wanted[: len(old)] == [_exchange(_request(each), _response(each)) for each in old]
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.parent / f".tv-{os.getpid()}-{secrets.token_hex(6)}.tmp"
        try:
            with _begun(path, temporary, keep=lambda record: kept or record.k != "http") as writer:
                for exchange in wanted[len(old) if kept else 0 :]:
                    writer.exchange(exchange, writer.start)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def _begun(path: Path, temporary: Path, *, keep: Callable[[Record], bool]) -> TapeWriter:
    """A tape with what is to be kept of the old one, if there is one."""
    redactor, compress = Redactor(key=new_key()), compression_of(path)
    if not path.exists():
        header = Header(start=SystemClock().now(), tool=f"tvstreamer {__version__}")
        return TapeWriter(temporary, header, redactor=redactor, compress=compress)
    with TapeReader(path) as reader:
        writer = TapeWriter(temporary, reader.header, redactor=redactor, compress=compress)
        try:
            for record in reader:
                if keep(record):
                    writer.copy(record)
        except BaseException:
            writer.finish()
            raise
    return writer


def exchanges(path: Path, *, most: int = MOST_BYTES) -> list[Exchange]:
    """The HTTP exchanges on a tape, in order. Raises `TapeFormatError`, also for bodies of more than so many bytes in all."""
    found: list[Exchange] = []
    size = 0
    with TapeReader(path) as reader:
        for record in reader:
            if record.k == "http":
                try:
                    exchange = read_exchange(record.http)
                    _require_playable(exchange)
                except TapeFormatError as error:
                    raise TapeFormatError(f"at {record.t / 1e9:.3f} s: {error.problem}", path=str(path)) from None
                size += len(exchange.sent) + len(exchange.body)
                if size > most:
                    raise TapeFormatError(f"HTTP bodies of more than {most} bytes, which have to be in memory", path=str(path))
                found.append(exchange)
    return found


# --- vcrpy's requests and responses -------------------------------------------------------------------------------------------


class _Header(str):
    """A header's name or value. One library makes bytes of it as ASCII, another as it likes; here it is always UTF-8."""

    __slots__ = ()

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return str(self).encode()


def _require_playable(exchange: Exchange) -> None:
    """Raises `TapeFormatError` for what no library could have asked for, or been told."""
    try:
        urlsplit(exchange.url)
        for text in (exchange.url, *(each for pair in (*exchange.sent_headers, *exchange.headers) for each in pair)):
            text.encode()
    except ValueError as error:
        raise TapeFormatError(f"an http record that cannot be played: {exchange}: {shorten(str(error))}") from None


def _request(exchange: Exchange) -> Any:
    return Request(exchange.method, exchange.url, exchange.sent, dict(exchange.sent_headers))


def _response(exchange: Exchange) -> dict[str, Any]:
    headers: dict[str, list[str]] = {}
    for name, value in exchange.headers:
        headers.setdefault(_Header(name), []).append(_Header(value))
    return {
        "status": {"code": exchange.status, "message": exchange.reason if exchange.reason.isascii() else ""},
        "headers": headers,
        "body": {"string": exchange.body},
    }


def _exchange(request: Any, response: Mapping[str, Any]) -> Exchange:
    status = response["status"]
    return Exchange(
        method=request.method,
        url=request.uri,
        status=status["code"],
        reason=status.get("message") or "",
        sent_headers=_pairs(request.headers),
        sent=_bytes(request.body_bytes),
        headers=_pairs(response["headers"]),
        body=_bytes(response["body"]["string"]),
    )


def _pairs(headers: Mapping[str, Any]) -> Headers:
    """Each header as a pair; some libraries' have lists of values, some one value."""
    found: list[tuple[str, str]] = []
    for name, values in headers.items():
        for value in values if isinstance(values, list | tuple) else [values]:
            found.append((_text(name), _text(value)))
    return tuple(found)


def _text(value: str | bytes) -> str:
    return str(value) if isinstance(value, str) else value.decode("utf-8", "replace")


def _bytes(value: str | bytes | None) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value or b"")
