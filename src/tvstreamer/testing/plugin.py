"""The pytest plugin: options, markers, fixtures and hooks.

Only what pytest has to know at its start stands here. All that needs the rest of tvstreamer is in `harness`, which is imported
when a test first uses one of the fixtures: a suite that does not pays nothing.

PYTEST_DONT_REWRITE: there is no assertion in here, and pytest warns of plugins that were imported before it could rewrite them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tvstreamer.lifetimes import Watch, watch_with
from tvstreamer.testing.modes import MODES
from tvstreamer.testing.tape_paths import orphans, tape_path, tapes_folder, tapes_in

if TYPE_CHECKING:
    from tvstreamer.clock import VirtualClock
    from tvstreamer.faults import FaultPlan
    from tvstreamer.server.fake import FakeServer
    from tvstreamer.testing.harness import Harness
    from tvstreamer.testing.taping import UsedTape
    from tvstreamer.wsclient import TvWSClient

HARNESS: pytest.StashKey[Harness] = pytest.StashKey()
"""What a test has opened; absent as long as it has used none of the fixtures."""
_CLAIMED: pytest.StashKey[tuple[set[str], set[str]]] = pytest.StashKey()
"""The tapes that the collected tests have or have used, and the folders that they lie in."""
_EXPLANATION: pytest.StashKey[str] = pytest.StashKey()
_WATCH: pytest.StashKey[tuple[Watch, Watch | None]] = pytest.StashKey()
"""The watch of a test, and the one before: a test may run tests."""
_PASSED: pytest.StashKey[bool] = pytest.StashKey()

_TAPE_KEYWORDS = (
    "mode", "source", "match", "match_on", "matchers", "before_record", "before_replay", "speed", "faults", "seed",
    "require_all_played", "http",
)  # fmt: skip
_KEYWORDS = {"tv_tape": _TAPE_KEYWORDS, "tv_faults": ("seed",), "tv_live": ()}
_CHOICES = {
    "tv_record": MODES,
    "tv_on_expiry": ("warn", "fail"),
    "tv_on_unplayed": ("ignore", "warn", "fail"),
    "tv_on_leak": ("ignore", "warn", "fail"),
}


class Hooks:
    """The hooks that this plugin calls."""

    @staticmethod
    @pytest.hookspec
    def pytest_tvstreamer_configure(config: pytest.Config, registry: Any) -> None:
        """Register matchers of your own: `registry.register_matcher(name, function)`. Called once, before the first tape."""


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    pluginmanager.add_hookspecs(Hooks)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("tvstreamer", "tvstreamer: tapes of TradingView's feed")
    for name, metavar, text in (
        ("tv_record", "MODE", f"what is done about tapes: {', '.join(MODES)} (default: none, which never uses the network)"),
        ("tv_tapes", "DIR", "the folder of tapes (default: tapes beside each test file)"),
        ("tv_speed", "N", "how fast tapes are replayed: max (default), 1, 10, ..."),
        ("tv_seed", "N", "the seed of tv_server and of clients (default: 0)"),
        ("tv_max_age", "TIME", "how old a tape may be that is replayed, for example 30d"),
        ("tv_on_expiry", "ACTION", "what an older one leads to: warn (default) or fail"),
        ("tv_on_unplayed", "ACTION", "what comes of parts of a tape that nobody asked for: ignore (default), warn or fail"),
        ("tv_on_leak", "ACTION", "what comes of clients and servers that a test leaves open: warn (default), fail, or ignore"),
    ):
        group.addoption(f"--{name.replace('_', '-')}", dest=name, metavar=metavar, default=None, help=text)
        parser.addini(name, text, default="")
    group.addoption(
        "--tv-check-orphans",
        dest="tv_check_orphans",
        action="store_true",
        default=False,
        help="fail where a folder of tapes holds one that no collected test has",
    )
    group.addoption(
        "--tv-update-goldens",
        dest="tv_update_goldens",
        action="store_true",
        default=False,
        help="write the files that assert_events compares with",
    )


def pytest_configure(config: pytest.Config) -> None:
    for line in (
        "tv_tape(name=None, *, mode, source, match, match_on, ...): the tape of this test; options as of use_tape",
        "tv_faults(*faults, seed=0): faults that tv_server serves with, and that tapes are replayed with; or the path of a plan",
        "tv_live: this test talks to the live feed; it is skipped unless --tv-record is given",
    ):
        config.addinivalue_line("markers", line)
    for name, choices in _CHOICES.items():
        value = setting(config, name)
        if value and value not in choices:
            raise pytest.UsageError(f"{name} {value!r}: expected one of {', '.join(choices)}")
    seed = setting(config, "tv_seed")
    if seed and not seed.isdecimal():
        raise pytest.UsageError(f"tv_seed {seed!r}: expected a whole number")
    _check_numbers(config)
    _update_goldens(config, True)


def _check_numbers(config: pytest.Config) -> None:
    given = {name: value for name in ("tv_speed", "tv_max_age") if (value := setting(config, name))}
    if given:
        from tvstreamer.clock import duration
        from tvstreamer.errors import TvError
        from tvstreamer.sources import parse_speed

        for name, value in given.items():
            try:
                parse_speed(value) if name == "tv_speed" else duration(value)
            except TvError as error:
                raise pytest.UsageError(f"{name}: {error}") from error


def pytest_unconfigure(config: pytest.Config) -> None:
    # Another run may follow in this process.
    _update_goldens(config, False)


def _update_goldens(config: pytest.Config, on: bool) -> None:
    if config.getoption("tv_update_goldens"):
        from tvstreamer.testing.goldens import update_goldens

        update_goldens(on)


def setting(config: pytest.Config, name: str) -> str:
    """The command line's, the environment's (of the mode), or the configuration file's; "" where none of them says."""
    given: str | None = config.getoption(name)
    if given is None and name == "tv_record":
        given = os.environ.get("TVSTREAMER_RECORD") or None
    return str(config.getini(name)) if given is None else given


def commanded_mode(config: pytest.Config) -> str:
    """The mode that the command line or the environment asks for; "" where the tests may choose."""
    return config.getoption("tv_record") or os.environ.get("TVSTREAMER_RECORD") or ""


def pytest_report_header(config: pytest.Config) -> str | None:
    mode = setting(config, "tv_record")
    return f"tvstreamer: record mode {mode}" if mode and mode != "none" else None


# --- tests ------------------------------------------------------------------------------------------------------------


def path_of(item: pytest.Item) -> Path:
    """The tape of a test: what its marker names, or else what its own name gives."""
    marker = item.get_closest_marker("tv_tape")
    name = marker.args[0] if marker is not None and marker.args else None
    configured = setting(item.config, "tv_tapes")
    folder = tapes_folder(item.path, item.config.rootpath, configured)
    return tape_path(folder, item.path.stem, item.nodeid.partition("::")[2].replace("::", "."), name)


def _has_tape(item: pytest.Item) -> bool:
    return item.get_closest_marker("tv_tape") is not None or "tv_replay" in getattr(item, "fixturenames", ())


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    # Before others deselect: a tape is no orphan because its test is not run today.
    if config.getoption("tv_check_orphans"):
        mine = {str(path_of(item)) for item in items if _has_tape(item)}
        folders = {str(tapes_folder(item.path, config.rootpath, setting(config, "tv_tapes"))) for item in items}
        # What `use_tape` will be given by a test that is not run is not known. What its file names is taken for it.
        texts = [path.read_text(encoding="utf-8", errors="replace") for path in {item.path for item in items} if path.is_file()]
        named = {tape for tape in tapes_in(folders) if any(Path(tape).name in text for text in texts)}
        config.stash[_CLAIMED] = (mine | named, folders)


def pytest_runtest_setup(item: pytest.Item) -> None:
    for name, known in _KEYWORDS.items():
        for marker in item.iter_markers(name):
            for keyword in marker.kwargs:
                if keyword not in known:
                    expected = f"expected some of {', '.join(known)}" if known else "it takes none"
                    raise TypeError(f"marker {name}: unknown keyword {keyword!r}: {expected}")
            if name == "tv_tape" and len(marker.args) > 1:
                raise TypeError(f"marker tv_tape: {len(marker.args)} names: expected one, or none")
    if item.get_closest_marker("tv_tape") and not {"tv_client", "tv_replay"} & set(getattr(item, "fixturenames", ())):
        raise TypeError("marker tv_tape: expected a test with tv_client or tv_replay, which give it its tape")
    if item.get_closest_marker("tv_live") and commanded_mode(item.config) in ("", "none"):
        pytest.skip("talks to the live feed: say so with --tv-record=once, or another mode")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Ends what the test has opened, and saves what it has recorded if it passed."""
    try:
        result = yield
        if (harness := item.stash.get(HARNESS, None)) is not None:
            harness.finish(passed=True)
        item.stash[_PASSED] = True
    except BaseException as error:
        if (harness := item.stash.get(HARNESS, None)) is not None:
            if not isinstance(error, pytest.skip.Exception | KeyboardInterrupt):
                item.stash[_EXPLANATION] = harness.explain()
            harness.finish(passed=False)
        raise
    return result


# --- what is left open ------------------------------------------------------------------------------------------------


@pytest.hookimpl(specname="pytest_runtest_setup", wrapper=True, tryfirst=True)
def pytest_tvstreamer_watch(item: pytest.Item) -> Generator[None, object, object]:
    """From here to the end of its fixtures, what is made belongs to the test."""
    __tracebackhide__ = True
    watch = _watch(item.config)
    item.stash[_WATCH] = (watch, watch_with(watch))
    item.stash[_PASSED] = False
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> Generator[None, object, object]:
    """What a fixture of a wider scope makes may well be open after the test that needed it first."""
    __tracebackhide__ = True
    if fixturedef.scope == "function":
        return (yield)
    nobodys = _watch(request.config)
    nobodys.end()
    watch = watch_with(nobodys)
    try:
        return (yield)
    finally:
        watch_with(watch)


class _Watch(Watch):
    """A watch that notes which tapes are used."""

    def __init__(self, tapes: set[str]) -> None:
        super().__init__()
        self._tapes = tapes

    def uses(self, tape: str) -> None:
        self._tapes.add(tape)


def _watch(config: pytest.Config) -> Watch:
    claimed = config.stash.get(_CLAIMED, None)
    return Watch() if claimed is None else _Watch(claimed[0])


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    """Closes what is open now that all fixtures of the test are done."""
    watch, before = item.stash.get(_WATCH, (Watch(), None))
    try:
        result = yield
    except BaseException:
        item.stash[_PASSED] = False
        raise
    finally:
        watch_with(before)
        left, harness = watch.end(), item.stash.get(HARNESS, None)
        if (left or harness is not None) and setting(item.config, "tv_on_leak") != "ignore":
            from tvstreamer.testing.harness import close_left_open

            close_left_open(item, left, harness, passed=item.stash.get(_PASSED, False))
    return result


# --- failures ---------------------------------------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    explanation = item.stash.get(_EXPLANATION, "")
    if call.when == "call" and report.failed and explanation:
        report.sections.append(("tvstreamer", explanation))
    return report


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    # Without this module there are no events.
    if op == "==" and isinstance(left, list) and isinstance(right, list) and "tvstreamer.events" in sys.modules:
        from tvstreamer.testing.differences import explain_difference

        return explain_difference(left, right)
    return None


# --- orphans ----------------------------------------------------------------------------------------------------------


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """What a worker of pytest-xdist has collected; one that crashed says nothing."""
    tapes, folders = getattr(node, "workeroutput", {}).get("tvstreamer", ((), ()))
    mine = node.config.stash.setdefault(_CLAIMED, (set(), set()))
    mine[0].update(tapes)
    mine[1].update(folders)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    config = session.config
    claimed = config.stash.get(_CLAIMED, None)
    if claimed is None:
        return
    if hasattr(config, "workeroutput"):
        config.workeroutput["tvstreamer"] = tuple(map(sorted, claimed))
    elif orphans(*claimed) and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    found = orphans(*config.stash.get(_CLAIMED, ((), ())))
    if found:
        terminalreporter.section("tapes that no test has")
        for path in found:
            terminalreporter.line(path)


# --- fixtures ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def tv_config() -> dict[str, Any]:
    """Options of `use_tape` for all tests that see this fixture. Override it, at any scope; markers win over it."""
    return {}


@pytest.fixture
def _tv_harness(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[Harness]:
    from tvstreamer.testing.harness import Harness

    item = request.node
    harness = item.stash[HARNESS] = Harness(item, tmp_path_factory)
    try:
        yield harness
    finally:
        harness.finish(passed=False)


@pytest.fixture
def tv_faults(_tv_harness: Harness) -> FaultPlan | None:
    """The faults of this test, from its marker; None for none."""
    return _tv_harness.faults()


@pytest.fixture
def tv_clock(_tv_harness: Harness) -> VirtualClock:
    """The clock of `tv_server` and of clients in memory: it jumps when everybody waits, and `advance` moves it."""
    return _tv_harness.clock


@pytest.fixture
def tv_server_factory(_tv_harness: Harness) -> Callable[..., FakeServer]:
    """Makes fake servers, with the options of `FakeServer`, and closes them after the test."""
    return _tv_harness.server


@pytest.fixture
def tv_server(_tv_harness: Harness, tv_faults: FaultPlan | None, tv_clock: VirtualClock) -> FakeServer:
    """A fake server on `tv_clock`, with `tv_faults`. It listens on a port of this machine once `tv_server.url` is read."""
    return _tv_harness.server(faults=tv_faults, clock=tv_clock)


@pytest.fixture
def tv_replay(_tv_harness: Harness, tv_config: dict[str, Any], tv_faults: FaultPlan | None) -> UsedTape:
    """The tape of this test, to be handed on as `source=`; recorded where --tv-record says so."""
    return _tv_harness.tape(tv_config, tv_faults)


@pytest.fixture
def tv_recorder(_tv_harness: Harness, tmp_path: Path) -> Callable[..., Any]:
    """`with tv_recorder("name.jsonl", source=...) as tape:` records to the test's own temporary folder, in any mode."""
    return _tv_harness.recorder(tmp_path)


@pytest.fixture
def tv_client(request: pytest.FixtureRequest, _tv_harness: Harness) -> Callable[..., TvWSClient]:
    """Makes clients, with the arguments of `TvWSClient`, and closes them after the test.

    Without `source` they stream from the test's tape if it has one (`tv_tape`, `tv_replay`), and else from `tv_server`.
    """
    name = "tv_replay" if _has_tape(request.node) else "tv_server"
    marker = request.node.get_closest_marker("tv_tape")
    if marker is not None and {**request.getfixturevalue("tv_config"), **marker.kwargs}.get("http"):
        # A test may ask for something before it makes its first client.
        request.getfixturevalue(name)
    return _tv_harness.client(lambda: request.getfixturevalue(name))
