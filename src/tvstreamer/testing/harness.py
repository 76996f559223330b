"""What one test of the pytest plugin has open: servers, clients and tapes; how it ends, and what is told when it fails."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tvstreamer.auth import Credentials
from tvstreamer.clock import SystemClock, VirtualClock, duration
from tvstreamer.errors import InvalidPlan, InvalidSource, TapeMismatch, shorten
from tvstreamer.faults import FaultPlan, load_plan
from tvstreamer.lifetimes import Closable
from tvstreamer.server.fake import FakeServer
from tvstreamer.server.market import market_start
from tvstreamer.sources import Source, open_source
from tvstreamer.tape.redact import Redactor, new_key
from tvstreamer.testing.matching import Matchers
from tvstreamer.testing.plugin import commanded_mode, path_of, setting
from tvstreamer.testing.tape_paths import safe_name
from tvstreamer.testing.taping import TapeOptions, UsedTape, use_tape
from tvstreamer.testing.transcript import Observer
from tvstreamer.wsclient import TvWSClient

_REGISTRY: pytest.StashKey[Matchers] = pytest.StashKey()
_OUTSIDE = ("live", "ws", "wss")
_ENTRIES = 20
"""Of the journal of a server."""
_NAMED = 10
"""Of what a test has left open: a property may have done so with each of its examples."""


class TapeWarning(pytest.PytestWarning):
    """Something about a test's tape or its connections that does not make it fail."""


# Shown under the plugin's name, as users have to write it in a filter.
TapeWarning.__module__ = "tvstreamer.testing"


class _Observed:
    """A source whose connections leave a transcript. Not for tapes, which can be looked at themselves."""

    @staticmethod
    def can_be(spec: object) -> bool:
        if isinstance(spec, str):
            return spec.partition(":")[0] in ("fake", *_OUTSIDE)
        return isinstance(spec, FakeServer) or (callable(spec) and not isinstance(spec, UsedTape))

    def __init__(self, spec: object, observer: Observer) -> None:
        self._spec = spec
        self._observer = observer

    def __repr__(self) -> str:
        return repr(self._spec)

    def as_source(self, **options: Any) -> Source:
        spec = self._spec.connect if isinstance(self._spec, FakeServer) else self._spec
        source = open_source(spec, **options)
        return replace(source, connector=self._observer.observed(source.connector))


class Harness:
    """Belongs to one test. `finish` may be called twice; the second time does nothing."""

    def __init__(self, item: pytest.Item, folders: pytest.TempPathFactory) -> None:
        self._item = item
        self._folders = folders
        self._config = item.config
        self._seed = int(setting(item.config, "tv_seed") or 0)
        self.clock = VirtualClock(market_start(self._seed))
        self._observer = Observer()
        self._clients: list[TvWSClient] = []
        self._servers: list[FakeServer] = []
        self._tapes: list[UsedTape] = []
        self._observers = [self._observer]
        self._tokens: list[str] = []

    # --- what the fixtures give ---------------------------------------------------------------------------------------

    def faults(self) -> FaultPlan | None:
        marker = self._item.get_closest_marker("tv_faults")
        if marker is None:
            return None
        if len(marker.args) == 1 and isinstance(marker.args[0], str | os.PathLike):
            return load_plan(self._item.path.parent / marker.args[0])
        return FaultPlan(list(marker.args), **marker.kwargs)

    def server(self, **options: Any) -> FakeServer:
        options = {"seed": self._seed, "speed": "max", **options}
        server = FakeServer(**options)
        self._servers.append(server)
        return server

    def client(self, default: Callable[[], object]) -> Callable[..., TvWSClient]:
        def make(subscriptions: object = (), **options: Any) -> TvWSClient:
            __tracebackhide__ = True  # a token may be among the options
            source = options.pop("source", None)
            source = default() if source is None else source
            self._refuse_outside(source)
            if _Observed.can_be(source):
                source = _Observed(source, self._observer)
            self._tokens += [str(options[name]) for name in ("token", "sessionid", "sessionid_sign") if options.get(name)]
            client = TvWSClient(subscriptions, source=source, **{"seed": self._seed, **options})
            self._clients.append(client)
            return client

        return make

    def _refuse_outside(self, source: object) -> None:
        if not isinstance(source, str) or source.partition(":")[0] not in _OUTSIDE:
            return
        if not source.startswith("ws://127.0.0.1:") and not self._item.get_closest_marker("tv_live"):
            raise InvalidPlan(f"source {shorten(source)}: expected a test marked tv_live, as this leaves the machine")

    def recorder(self, folder: Path) -> Callable[..., Any]:
        def record(name: str = "recorded.jsonl", **options: Any) -> Any:
            return use_tape(folder / name, "rewrite", **options)

        return record

    def tape(self, configured: dict[str, Any], faults: FaultPlan | None) -> UsedTape:
        """The test's tape. The command line wins over the marker, the marker over `tv_config`, and that over the file."""
        marker = self._item.get_closest_marker("tv_tape")
        given = {**configured, **(marker.kwargs if marker else {})}
        unknown = [name for name in given if name not in TapeOptions.__dataclass_fields__]
        if unknown:
            raise TypeError(f"tv_config: unknown keyword {unknown[0]!r}: expected options of use_tape")
        given["mode"] = commanded_mode(self._config) or given.get("mode") or setting(self._config, "tv_record") or "none"
        given["speed"] = self._config.getoption("tv_speed") or given.get("speed") or setting(self._config, "tv_speed") or None
        given["faults"] = given.get("faults") or faults
        given.setdefault("seed", self._seed)
        given["matchers"] = {**self._registry().registered, **given.get("matchers", {})}
        given["how_to_record"] = f'pytest "{self._item.nodeid}" --tv-record=once'
        try:
            tape = UsedTape(path_of(self._item), TapeOptions(**given))
        except InvalidSource as error:
            # The tape is missing, which the code that looked for it says nothing about, and which is told once.
            raise pytest.fail.Exception(str(error), pytrace=False) from None
        self._tapes.append(tape)
        self._observers.append(tape.observer)
        self._check_age(tape)
        return tape

    def _registry(self) -> Matchers:
        registry = self._config.stash.get(_REGISTRY, None)
        if registry is None:
            registry = self._config.stash[_REGISTRY] = Matchers()
            self._config.hook.pytest_tvstreamer_configure(config=self._config, registry=registry)
        return registry

    def _check_age(self, tape: UsedTape) -> None:
        limit = setting(self._config, "tv_max_age")
        if not limit or tape.recorded_at is None:
            return
        age = SystemClock().now() - tape.recorded_at
        if age > duration(limit):
            days = f"{age / 86_400:.0f} days"
            text = f"{tape.path.name} is {days} old, and {limit} are allowed: --tv-record=rewrite makes a new one"
            _tell(text, setting(self._config, "tv_on_expiry") or "warn")

    # --- the end ------------------------------------------------------------------------------------------------------

    def finish(self, *, passed: bool) -> None:
        """Closes everything, and saves recordings if the test passed."""
        clients, self._clients = self._clients, []
        tapes, self._tapes = self._tapes, []
        servers, self._servers = self._servers, []
        try:
            for client in clients:
                client.close()
            for tape in tapes:
                tape.finish(passed=passed)
        finally:
            for server in servers:
                server.close()
        self._observer.close_leaked()
        for tape in tapes:
            if passed and not tape.all_played:
                text = f"{tape.path.name} holds what nobody asked for: {'; '.join(tape.unplayed)}"
                _tell(text, setting(self._config, "tv_on_unplayed") or "ignore")

    def left_open(self) -> list[str]:
        """The connections that were closed because their test had not done it, by name."""
        return [name for observer in self._observers for name in observer.left_open()]

    def explain(self) -> str:
        """What passed over the connections of a test that failed. The slice is saved, and where is the last line."""
        redactor = _redactor([*self._tokens, *(secret for tape in self._tapes for secret in tape.secrets)])
        observers = self._observers
        texts = [transcript.explain(redactor) for observer in observers for transcript in observer.transcripts]
        if not texts:
            # Somebody else's client, perhaps, which connects to an address.
            texts += [text for server in self._servers if (text := _journal(server))]
        texts += [f"{tape.path}: {tape!r}" for tape in self._tapes]
        for number, observer in enumerate(observers):
            if any(transcript.messages for transcript in observer.transcripts):
                name = safe_name(f"{self._item.name}-{number}")[:80]
                path = self._folders.mktemp("tv-failure") / f"{name}.jsonl"
                observer.save(path, redactor)
                texts.append(f"saved: {path} (tvstreamer replay {path})")
        return "\n".join(texts)


def _journal(server: FakeServer) -> str:
    """The newest that a server has seen of its connections; "" where there was none."""
    entries = server.journal[-_ENTRIES:]
    return "\n".join([f"{server!r} has seen:", *(f"  {entry}" for entry in entries)]) if entries else ""


def close_left_open(item: pytest.Item, things: list[Closable], harness: Harness | None, *, passed: bool) -> None:
    """Closes what a test has left open, and names it if the test passed: otherwise it has told something that matters more."""
    names = [repr(thing) for thing in things]
    for number, thing in enumerate(things):
        try:
            thing.close()
        except Exception as error:
            names[number] += f" (which raised {error!r})"
    # Connections of clients that have just been closed are not left open any more, and need not be named besides.
    names += [] if harness is None else harness.left_open()
    if passed and names:
        shown = names[:_NAMED] + [f"and {len(names) - _NAMED} more"] * (len(names) > _NAMED)
        text = f"left open by {item.name}, and closed: {', '.join(map(_redactor([]).message, shown))}"
        _tell(text, setting(item.config, "tv_on_leak") or "warn", pytest.fail.Exception(text, pytrace=False))


def _tell(text: str, action: str, failure: BaseException | None = None) -> None:
    if action == "fail":
        raise failure or TapeMismatch(text)
    if action == "warn":
        warnings.warn(TapeWarning(text), stacklevel=2)


def _redactor(secrets: list[str]) -> Redactor:
    """Takes out these secrets, and those of the environment."""
    return Redactor(key=new_key(), secrets=[*secrets, *Credentials.from_environment().secrets()])
