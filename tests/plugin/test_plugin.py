"""The pytest plugin, as its users see it: suites of their own, run by pytest within pytest."""

from __future__ import annotations

import importlib.util
import itertools
import os
from pathlib import Path

import pytest

from tvstreamer import FakeServer, TvWSClient
from tvstreamer.testing import use_tape

PLUGIN = ("-p", "tvstreamer.testing.plugin")
SOURCE = "fake:seed=7,speed=max"
SECRET = "canary-secret-9d21"

STREAMS = """
import itertools, pytest

@pytest.mark.tv_tape(source="fake:seed=7,speed=max")
def test_btc(tv_client):
    with tv_client([("BINANCE:BTCUSDT", "1")], n_init_bars=5) as client:
        assert len(list(itertools.islice(client.stream(), 30))) == 30
"""


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the outer run is told does not concern the inner ones."""
    for name in [name for name in os.environ if name.startswith(("TVSTREAMER_", "PYTEST_ADDOPTS"))]:
        monkeypatch.delenv(name)


def run(pytester: pytest.Pytester, *args: str) -> pytest.RunResult:
    return pytester.runpytest_inprocess(*PLUGIN, "-p", "no:randomly", "-p", "no:cacheprovider", "-W", "error", "--strict-markers", *args)


def record(path: Path, subscription: object = ("BINANCE:BTCUSDT", "1"), source: object = SOURCE) -> None:
    with use_tape(path, "once", source=source) as tape:
        with TvWSClient([subscription], source=tape, n_init_bars=5, seed=0) as client:
            list(itertools.islice(client.stream(), 30))


# --- tapes ------------------------------------------------------------------------------------------------------------


def test_a_test_is_recorded_once_and_replayed_from_then_on(pytester: pytest.Pytester) -> None:
    file = pytester.makepyfile(test_mod=STREAMS)
    run(pytester).assert_outcomes(failed=1)
    run(pytester, "--tv-record=once").assert_outcomes(passed=1)
    tape = pytester.path / "tapes" / "test_mod" / "test_btc.jsonl"
    assert list((pytester.path / "tapes").rglob("*.*")) == [tape]
    # From here on nothing may be asked of anybody.
    file.write_text(STREAMS.replace("fake:seed=7,speed=max", "ws://127.0.0.1:9/nobody"))
    run(pytester).assert_outcomes(passed=1)


def test_a_missing_tape_says_how_to_record_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_mod=STREAMS)
    result = run(pytester)
    result.stdout.fnmatch_lines(['*tape *test_btc.jsonl: no such file*to record it: pytest "test_mod.py::test_btc" --tv-record=once'])
    # And nothing else: where it was looked for helps nobody.
    result.stdout.no_fnmatch_line("*harness.py*")
    result.stdout.no_fnmatch_line("*another exception*")


@pytest.mark.parametrize(
    ("args", "ini", "environ", "mode"),
    [
        ((), "", "", "none"),
        ((), "tv_record = all", "", "all"),
        ((), "tv_record = all", "once", "once"),
        (("--tv-record=verify",), "tv_record = all", "once", "verify"),
    ],
)
def test_the_command_line_wins_over_the_environment_and_that_over_the_file(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...], ini: str, environ: str, mode: str
) -> None:
    pytester.makeini(f"[pytest]\n{ini}")
    monkeypatch.setenv("TVSTREAMER_RECORD", environ)
    record(pytester.path / "tapes" / "a.jsonl")
    pytester.makepyfile(f"import pytest\n@pytest.mark.tv_tape('a.jsonl')\ndef test_mode(tv_replay): assert tv_replay.mode == {mode!r}")
    run(pytester, *args).assert_outcomes(passed=1)


def test_a_marker_wins_over_tv_config_and_a_command_over_both(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("import pytest\n@pytest.fixture\ndef tv_config(): return {'mode': 'all', 'match': 'strict'}")
    pytester.makepyfile("""
        import pytest
        @pytest.mark.tv_tape(mode="rewrite")
        def test_marker(tv_replay): assert (tv_replay.mode, tv_replay._options.match) == ("rewrite", "strict")
        def test_config(tv_replay): assert tv_replay.mode == "all"
    """)
    run(pytester).assert_outcomes(passed=2)
    run(pytester, "--tv-record=once").assert_outcomes(failed=2)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--tv-record=any",), "*tv_record 'any': expected one of none, once, new_episodes, all, rewrite, verify*"),
        (("--tv-on-expiry=stop",), "*tv_on_expiry 'stop': expected one of warn, fail*"),
        (("--tv-seed=x",), "*tv_seed 'x': expected a whole number*"),
        (("--tv-speed=fast",), "*tv_speed: speed 'fast': expected 'max' or a number*"),
        (("--tv-max-age=old",), "*tv_max_age: duration 'old': expected seconds, or numbers with d, h*"),
    ],
)
def test_a_wrong_value_names_the_right_ones(pytester: pytest.Pytester, args: tuple[str, ...], message: str) -> None:
    result = run(pytester, *args)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])


@pytest.mark.parametrize(
    ("marker", "message"),
    [
        ("tv_tape(recrod='once')", "*TypeError: marker tv_tape: unknown keyword 'recrod': expected some of mode, source*"),
        ("tv_tape('a', 'b')", "*TypeError: marker tv_tape: 2 names: expected one, or none"),
        ("tv_faults(sede=1)", "*TypeError: marker tv_faults: unknown keyword 'sede': expected some of seed"),
        ("tv_live(now=1)", "*TypeError: marker tv_live: unknown keyword 'now': it takes none"),
    ],
)
def test_an_unknown_keyword_of_a_marker_is_an_error(pytester: pytest.Pytester, marker: str, message: str) -> None:
    pytester.makepyfile(f"import pytest\n@pytest.mark.{marker}\ndef test_it(): pass")
    result = run(pytester)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([message])


def test_an_unknown_option_in_tv_config_is_an_error(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("import pytest\n@pytest.fixture\ndef tv_config(): return {'recrod': 1}\ndef test_it(tv_replay): pass")
    run(pytester).stdout.fnmatch_lines(["*TypeError: tv_config: unknown keyword 'recrod'*"])


@pytest.mark.parametrize("mode", ["rewrite", "all", "new_episodes", "once"])
def test_a_test_that_fails_saves_nothing(pytester: pytest.Pytester, mode: str) -> None:
    path = pytester.path / "tapes" / "test_mod" / "test_btc.jsonl"
    if mode != "once":
        record(path)
    before = path.read_bytes() if path.exists() else None
    pytester.makepyfile(test_mod=STREAMS.replace("== 30", "== 31").replace("BTCUSDT", "ETHUSDT"))
    run(pytester, f"--tv-record={mode}").assert_outcomes(failed=1)
    assert (path.read_bytes() if path.exists() else None) == before
    assert not list(pytester.path.rglob(".tv-*"))


def test_verify_fails_where_the_feed_answers_differently(pytester: pytest.Pytester) -> None:
    record(pytester.path / "tapes" / "test_mod" / "test_btc.jsonl", ("BINANCE:BTCUSDT", "5"))
    pytester.makepyfile(test_mod=STREAMS)
    result = run(pytester, "--tv-record=verify")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*does not answer as it did*", "*-  > create_series BINANCE:BTCUSDT 5 5"])
    run(pytester, "--tv-record=rewrite").assert_outcomes(passed=1)
    run(pytester, "--tv-record=verify").assert_outcomes(passed=1)


def test_an_old_tape_is_warned_of_or_refused(pytester: pytest.Pytester) -> None:
    with FakeServer(seed=7, speed="max") as server:
        record(pytester.path / "tapes" / "test_mod" / "test_btc.jsonl", source=server.connect)
    pytester.makepyfile(test_mod=STREAMS)
    args = (*PLUGIN, "-p", "no:randomly", "-W", "always", "--tv-max-age=30d")
    warned = pytester.runpytest_inprocess(*args)
    warned.assert_outcomes(passed=1, warnings=1)
    warned.stdout.fnmatch_lines(["*TapeWarning: test_btc.jsonl is * days old, and 30d are allowed: --tv-record=rewrite makes a new one"])
    pytester.runpytest_inprocess(*args, "--tv-on-expiry=fail").assert_outcomes(failed=1)
    pytester.runpytest_inprocess(*args[:-1], "--tv-max-age=99999d", "-W", "error").assert_outcomes(passed=1)


def test_a_tape_of_a_synthetic_market_does_not_grow_old(pytester: pytest.Pytester) -> None:
    record(pytester.path / "tapes" / "test_mod" / "test_btc.jsonl")
    pytester.makepyfile(test_mod=STREAMS)
    pytester.runpytest_inprocess(*PLUGIN, "-W", "error", "--tv-max-age=30d", "--tv-on-expiry=fail").assert_outcomes(passed=1)


def test_what_was_not_played_is_told_if_wanted(pytester: pytest.Pytester) -> None:
    record(pytester.path / "tapes" / "test_it.jsonl")
    pytester.makepyfile("import pytest\n@pytest.mark.tv_tape('test_it.jsonl')\ndef test_it(tv_replay): pass")
    run(pytester).assert_outcomes(passed=1)
    result = run(pytester, "--tv-on-unplayed=fail")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*test_it.jsonl holds what nobody asked for: connection 1"])


@pytest.mark.parametrize("args", [(), ("-k", "nothing")])
def test_orphans_fail_the_run_and_are_named(pytester: pytest.Pytester, args: tuple[str, ...]) -> None:
    tapes = pytester.path / "tapes" / "test_mod"
    for name in ("test_btc", "test_gone"):
        record(tapes / f"{name}.jsonl")
    pytester.makepyfile(test_mod=STREAMS)
    result = run(pytester, "--tv-check-orphans", *args)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*tapes that no test has*", "*test_gone.jsonl"])
    result.stdout.no_fnmatch_line("*test_btc.jsonl")
    (tapes / "test_gone.jsonl").unlink()
    assert run(pytester, "--tv-check-orphans", *args).ret != pytest.ExitCode.TESTS_FAILED


@pytest.mark.parametrize("args", [(), ("-n", "2"), ("-k", "nothing")])
def test_tapes_of_use_tape_are_no_orphans(pytester: pytest.Pytester, args: tuple[str, ...]) -> None:
    tapes = pytester.path / "tapes"
    names = ["named.jsonl", "decorated.jsonl", "shared.jsonl", *([] if "-k" in args else ["made-1.jsonl", "made-up.jsonl"])]
    for name in (*names, "gone.jsonl"):
        record(tapes / name)
    pytester.makepyfile("""
        from pathlib import Path
        import pytest
        from tvstreamer.testing import use_tape
        TAPES = Path(__file__).parent / "tapes"
        @pytest.fixture(scope="module")
        def shared():
            with use_tape(TAPES / "shared.jsonl") as tape:
                yield tape
        def test_named():
            with use_tape(TAPES / "named.jsonl"): ...
        @use_tape("tapes/decorated.jsonl")
        def test_decorated(tape): ...
        def test_shared(shared): ...
        @pytest.mark.parametrize("name", ["1", "up"])
        def test_of_a_made_up_name(name):
            with use_tape(TAPES / f"made-{name}.jsonl"): ...
    """)
    result = run(pytester, "--tv-check-orphans", *args)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    lines = result.outlines[result.outlines.index(next(line for line in result.outlines if "tapes that no test has" in line)) + 1 :]
    assert [line for line in lines if line.endswith(".jsonl")] == [str(tapes / "gone.jsonl")]
    (tapes / "gone.jsonl").unlink()
    assert run(pytester, "--tv-check-orphans", *args).ret in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)


def test_workers_record_side_by_side_and_know_together_what_is_an_orphan(pytester: pytest.Pytester) -> None:
    tapes = pytester.path / "tapes" / "test_mod"
    record(tapes / "test_gone.jsonl")
    pytester.makepyfile(test_mod=STREAMS.replace("def test_btc(", '@pytest.mark.parametrize("n", range(4))\ndef test_btc(n, '))
    result = run(pytester, "-n", "2", "--tv-record=once", "--tv-check-orphans")
    result.assert_outcomes(passed=4)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*tapes that no test has*", "*test_gone.jsonl"])
    assert sorted(path.name for path in tapes.iterdir()) == [*(f"test_btc[{n}].jsonl" for n in range(4)), "test_gone.jsonl"]


def test_workers_that_append_to_one_tape_lose_nothing(pytester: pytest.Pytester) -> None:
    tests = STREAMS.replace("def test_btc(", '@pytest.mark.parametrize("n", range(6))\ndef test_btc(n, ')
    pytester.makepyfile(test_mod=tests.replace("tv_tape(", 'tv_tape("shared.jsonl", '))
    run(pytester, "-n", "2", "--tv-record=all").assert_outcomes(passed=6)
    assert (pytester.path / "tapes" / "shared.jsonl").read_text().count('"k":"open"') == 6


def test_tapes_may_lie_elsewhere(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(**{"sub/test_mod": STREAMS})
    run(pytester, "--tv-record=once", "--tv-tapes=recorded").assert_outcomes(passed=1)
    assert [path.relative_to(pytester.path).as_posix() for path in pytester.path.rglob("*.jsonl")] == ["recorded/sub/test_mod/test_btc.jsonl"]


def test_a_matcher_can_be_registered(pytester: pytest.Pytester) -> None:
    record(pytester.path / "tapes" / "test_mod" / "test_btc.jsonl")
    pytester.makeconftest("def pytest_tvstreamer_configure(config, registry): registry.register_matcher('never', lambda a, b: False)")
    pytester.makepyfile(test_mod=STREAMS.replace("source=", "match_on=['never'], source="))
    run(pytester).stdout.fnmatch_lines(["*TapeMismatch: *is not on the tape (differs in never)*"])


# --- servers and clients ----------------------------------------------------------------------------------------------


def test_the_fixtures_work_together(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import itertools, urllib.request
        import pytest
        from tvstreamer import Bar, Disconnected, TvWSClient, faults
        from tvstreamer.tape.reader import TapeReader

        def test_clients_stream_from_the_server(tv_client, tv_server, tv_clock):
            client = tv_client([("TEST:ONE", "1")], n_init_bars=5)
            tv_server.market.tick("TEST:ONE", 5.0)
            assert tv_server.clock is tv_clock
            assert any(isinstance(event, Bar) for event in itertools.islice(client.stream(), 20))

        @pytest.mark.tv_faults(faults.close(after=5, code=4000), seed=3)
        def test_a_marker_makes_faults(tv_client, tv_faults):
            assert tv_faults.seed == 3
            events = itertools.islice(tv_client([("BINANCE:BTCUSDT", "1")]).stream(), 400)
            assert any(isinstance(event, Disconnected) for event in events)

        @pytest.mark.tv_faults("plan.toml")
        def test_faults_from_a_file(tv_faults): assert len(list(tv_faults)) == 1

        def test_no_faults(tv_faults): assert tv_faults is None

        def test_a_port(tv_server_factory):
            server = tv_server_factory(seed=9, speed=1)
            assert server.url.startswith("ws://127.0.0.1:")
            with TvWSClient(["BINANCE:BTCUSDT"], source=server.url, seed=1) as client:
                next(client.stream())

        def test_recording(tv_recorder, tv_server):
            with tv_recorder("x.jsonl", source=tv_server.connect) as tape:
                with TvWSClient(["BINANCE:BTCUSDT"], source=tape, seed=1) as client:
                    next(client.stream())
            with TapeReader(tape.path) as reader:
                assert "open" in [record.k for record in reader]
    """)
    pytester.path.joinpath("plan.toml").write_text('[[fault]]\nkind = "latency"\nlatency = 0.1\n')
    run(pytester).assert_outcomes(passed=6)


def test_nothing_leaves_the_machine_unless_a_test_is_marked(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import pytest
        @pytest.mark.parametrize("source", ["live", "live:host=prodata", "wss://example.com/", "ws://example.com/"])
        def test_outside(tv_client, source): tv_client(["A:B"], source=source)
        @pytest.mark.tv_live
        def test_live(tv_client): tv_client(["A:B"], source="live")
    """)
    result = run(pytester, "-rs")
    result.assert_outcomes(failed=4, skipped=1)
    result.stdout.fnmatch_lines(["*source 'live': expected a test marked tv_live*", "*talks to the live feed: say so with --tv-record=once*"])
    run(pytester, "--tv-record=once").assert_outcomes(failed=4, passed=1)


def test_what_is_left_open_is_closed_and_named(pytester: pytest.Pytester) -> None:
    record(pytester.path / "tapes" / "a.jsonl")
    pytester.makepyfile("""
        import pytest
        from tvstreamer import FakeServer, Proxy, TvWSClient

        BTC = [("BINANCE:BTCUSDT", "1")]
        left = []

        @pytest.mark.tv_tape("a.jsonl")
        def test_client_of_a_tape(tv_replay): TvWSClient(BTC, source=tv_replay).connect()

        @pytest.mark.tv_tape("a.jsonl")
        def test_bare_connection(tv_replay): left.append(tv_replay())

        def test_made_by_hand():
            server = FakeServer()
            client = TvWSClient(BTC, source=server.url)
            client.connect()
            proxy = Proxy(server.url)
            proxy.start()
            left.extend([server, client, proxy])

        def test_bar_replay(tv_server, tv_client):
            replay = tv_client(source=tv_server.connect).bar_replay(*BTC[0], start=tv_server.clock.now() - 3600)
            left.append(replay.__enter__())

        def test_they_are_closed():
            assert all(thing._closed if isinstance(thing, FakeServer) else True for thing in left)
            assert [type(thing).__name__ for thing in left] == ["ObservedTransport", "FakeServer", "TvWSClient", "Proxy", "BarReplay"]
            assert repr(left[2]).startswith("<TvWSClient closed")
            with pytest.raises(Exception, match="is closed"):
                left[3].start()
            with pytest.raises(Exception, match="is closed"):
                left[4].step()
    """)
    result = run(pytester, "-W", "always")
    result.assert_outcomes(passed=5, warnings=4)
    result.stdout.fnmatch_lines(
        [
            "*TapeWarning: left open by test_client_of_a_tape, and closed: <TvWSClient open, source '*a.jsonl'>",
            "*TapeWarning: left open by test_bare_connection, and closed: replay connection to fake:",
            "*TapeWarning: left open by test_made_by_hand, and closed: <FakeServer seed=0 ws://*>, <TvWSClient open, *>, <Proxy to ws://*>",
            "*TapeWarning: left open by test_bar_replay, and closed: <BarReplay BINANCE:BTCUSDT 1 *>",
        ]
    )
    # Users can turn it into an error by its name, or with an option, which can as well switch it off.
    for args in (("-W", "always", "-W", "error::tvstreamer.testing.TapeWarning"), ("--tv-on-leak=fail",)):
        run(pytester, *args).assert_outcomes(passed=5, errors=4)
    pytester.makepyfile("""
        from tvstreamer import FakeServer
        left = []
        def test_one():
            left.append(FakeServer())
            left[0].start()
        def test_another():
            assert not left[0]._closed
            left[0].close()
    """)
    run(pytester, "--tv-on-leak=ignore").assert_outcomes(passed=2)


def test_what_its_owner_closes_later_is_not_left_open(pytester: pytest.Pytester) -> None:
    record(pytester.path / "tapes" / "a.jsonl")
    pytester.makepyfile("""
        import pytest
        from tvstreamer import FakeServer, TvWSClient

        BTC = [("BINANCE:BTCUSDT", "1")]

        @pytest.fixture(scope="module")
        def server():
            with FakeServer(speed=50) as server:
                server.start()
                yield server

        @pytest.fixture(scope="module")
        def shared(server):
            # Connects in the test that uses it first.
            client = TvWSClient(BTC, source=server.url, seed=1)
            yield client
            client.close()

        @pytest.fixture
        def own(tv_replay):
            with TvWSClient(BTC, source=tv_replay, n_init_bars=5) as client:
                yield client

        @pytest.fixture
        def make():
            made = []
            def make():
                made.append(FakeServer())
                made[-1].start()
            yield make
            for server in made:
                server.close()

        @pytest.fixture
        def lazy(request): return lambda: request.getfixturevalue("shared")

        def test_in_the_middle(lazy): assert lazy().poll(10)
        def test_between_tests(shared): assert shared.poll(10)

        @pytest.mark.tv_tape("a.jsonl")
        def test_with_a_fixture(own): assert own.poll(10)

        @pytest.mark.tv_tape("a.jsonl")
        def test_with_a_fixture_that_makes(make, tv_replay): make()

        class TestClass:
            @classmethod
            def setup_class(cls):
                cls.server = FakeServer()
                cls.server.start()
            @classmethod
            def teardown_class(cls): cls.server.close()
            def test_one(self): assert not self.server._closed
            def test_two(self): assert not self.server._closed
    """)
    run(pytester).assert_outcomes(passed=6)


def test_what_a_failed_test_leaves_open_is_closed_without_a_word(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import pytest
        from tvstreamer import FakeServer
        left = []
        @pytest.fixture
        def broken():
            left.append(FakeServer())
            left[-1].start()
            raise ZeroDivisionError
        def test_fails():
            left.append(FakeServer())
            left[-1].start()
            assert False
        def test_errs(broken): ...
        def test_skips():
            left.append(FakeServer())
            left[-1].start()
            pytest.skip("enough")
        def test_they_are_closed(): assert [server._closed for server in left] == [True] * 3
    """)
    result = run(pytester)
    result.assert_outcomes(passed=1, failed=1, errors=1, skipped=1)
    result.stdout.no_fnmatch_line("*left open*")


def test_closing_what_was_left_open_may_fail_and_is_told(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        from tvstreamer.lifetimes import current_watch
        class Odd:
            def close(self): raise OSError("no")
        class Even(Odd):
            def close(self): ...
        def test_it(): current_watch().opened(Odd())
        def test_many():
            for _ in range(12): current_watch().opened(Even())
    """)
    result = run(pytester, "-W", "always")
    result.stdout.fnmatch_lines(
        ["*left open by test_it, and closed: <*Odd object *> (which raised OSError('no'))", "*left open by test_many, *, and 2 more"]
    )


def test_a_tape_that_no_fixture_uses_is_told(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("import pytest\n@pytest.mark.tv_tape\ndef test_it(): pass")
    result = run(pytester)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*TypeError: marker tv_tape: expected a test with tv_client or tv_replay, which give it its tape"])


# --- failures ---------------------------------------------------------------------------------------------------------


def test_a_failure_is_explained_without_secrets_and_leaves_a_slice(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TVSTREAMER_TOKEN", SECRET)
    pytester.makepyfile(f"""
        import itertools
        def test_it(tv_client, tv_server_factory):
            server = tv_server_factory(tokens=["{SECRET}", "{SECRET}-2"])
            client = tv_client([("BINANCE:BTCUSDT", "1")], source=server, n_init_bars=5)
            other = tv_client(["BINANCE:ETHUSDT"], source=server, token="{SECRET}-2")
            assert not list(itertools.islice(client.stream(), 2)) + list(itertools.islice(other.stream(), 2))
    """)
    result = run(pytester, "--tb=no", "-rf")
    text = result.stdout.str()
    assert SECRET not in text
    result = run(pytester, "--tb=short")
    result.stdout.fnmatch_lines(
        ["*- tvstreamer -*", "memory connection to fake:", "*series BINANCE:BTCUSDT 1: *", "*< *", "saved: *test_it-0.jsonl (tvstreamer replay *"]
    )
    (line,) = [line for line in result.outlines if line.startswith("saved: ")]
    saved = Path(line.split()[1]).read_text()
    assert '"k":"recv"' in saved
    assert SECRET not in saved
    shown = result.stdout.str().partition("- tvstreamer -")[2].partition("short test summary")[0]
    assert SECRET not in shown


@pytest.mark.parametrize("source", ["tv_server", "tv_server.url", "tv_server.connect", "'fake:speed=max'"])
def test_a_failure_is_explained_whatever_the_client_streams_from(pytester: pytest.Pytester, source: str) -> None:
    pytester.makepyfile(f"""
        import itertools
        def test_it(tv_client, tv_server):
            client = tv_client([("BINANCE:BTCUSDT", "1")], source={source}, n_init_bars=5)
            assert not list(itertools.islice(client.stream(), 8))
    """)
    result = run(pytester)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*- tvstreamer -*", "* connection to *", "*series BINANCE:BTCUSDT 1: completed*", "*< *", "saved: *"])


def test_of_a_client_of_ones_own_a_failure_shows_what_the_server_has_seen(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        from tvstreamer import TvWSClient
        def test_it(tv_server, tv_server_factory):
            tv_server_factory()
            with TvWSClient([("NASDAQ:NOSUCH", "1")], source=tv_server.connect) as client:
                assert not client.poll(5)
    """)
    result = run(pytester)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*- tvstreamer -*", "<FakeServer * has seen:", "*command resolve_symbol NASDAQ:NOSUCH"])
    assert result.stdout.str().count("has seen:") == 1


@pytest.mark.parametrize("style", ["auto", "long"])
def test_no_traceback_shows_a_secret(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, style: str) -> None:
    # Of what pytest shows of a long value only the middle is left out.
    monkeypatch.setattr(os, "environ", {"TVSTREAMER_TOKEN": SECRET, "PATH": ""})
    pytester.makepyfile(f"""
        import pytest
        from tvstreamer import Credentials, TvWSClient
        from tvstreamer.testing import use_tape
        secret = {SECRET[:7]!r} + {SECRET[7:]!r}
        def test_no_tape(tv_replay): ...
        def test_no_such_tape():
            with use_tape("none.jsonl"): ...
        def test_token(): TvWSClient(["A:B"], source="fake", token=secret + chr(10))
        def test_cookie(): TvWSClient(["A:B"], source="fake", sessionid=secret + ";")
        def test_other(): TvWSClient(["A:B"], source="fake", sessionid=secret, backlog=0)
        def test_credentials(): Credentials(secret + chr(10))
        def test_fixture(tv_client): tv_client(["A:B"], token=secret, no_such_option=1)
    """)
    result = run(pytester, f"--tb={style}")
    result.assert_outcomes(failed=6, errors=1)
    assert SECRET not in result.stdout.str()


def test_a_mismatch_shows_the_nearest_recorded_question_as_a_diff(pytester: pytest.Pytester) -> None:
    record(pytester.path / "tapes" / "test_mod" / "test_btc.jsonl")
    pytester.makepyfile(test_mod=STREAMS.replace('"1")', '"15")'))
    result = run(pytester)
    result.stdout.fnmatch_lines(["*TapeMismatch: *the nearest on the tape is create_series BINANCE:BTCUSDT 1 5", "*-interval: 1", "*+interval: 15"])


def test_lists_of_events_are_compared_event_by_event(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        from tvstreamer import Tick
        def test_it():
            ticks = [Tick("A:B", float(n), 1.0, 1.0) for n in range(4)]
            assert ticks == [*ticks[:2], Tick("A:B", 2.0, 9.0, 1.0), ticks[3]]
        def test_other_lists(): assert [1, 2] == [1, 3]
    """)
    result = run(pytester)
    result.stdout.fnmatch_lines(["*assert <4 events: 4 Tick> == <4 events: 4 Tick>", "*event 2 differs, of 4; expected are 4", "*price: expected 9.0, got 1.0"])
    result.stdout.fnmatch_lines(["*At index 1 diff: 2 != 3*"])


def test_golden_files_are_written_when_that_is_asked_for(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        from tvstreamer import Tick
        from tvstreamer.testing import assert_events
        def test_it(request): assert_events([Tick("A:B", 1.0, 1.0, 1.0)], request.path.parent / "golden.jsonl")
    """)
    run(pytester).assert_outcomes(failed=1)
    run(pytester, "--tv-update-goldens").assert_outcomes(passed=1)
    (pytester.path / "golden.jsonl").write_bytes((pytester.path / "golden.jsonl").read_bytes() * 2)
    run(pytester).assert_outcomes(failed=1)


def test_a_skipped_test_saves_and_explains_nothing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_mod=STREAMS + "    pytest.skip('enough')\n")
    run(pytester, "--tv-record=once").assert_outcomes(skipped=1)
    assert not list(pytester.path.rglob("*.jsonl"))


# --- company ----------------------------------------------------------------------------------------------------------


def test_a_suite_that_does_not_use_it_loads_nothing_of_it(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile("""
        import sys
        def test_it():
            loaded = {name for name in sys.modules if name.startswith("tvstreamer")}
            assert loaded == {
                "tvstreamer", "tvstreamer.lifetimes", "tvstreamer.testing", "tvstreamer.testing.plugin", "tvstreamer.testing.modes", "tvstreamer.testing.tape_paths"
            }
            assert "msgspec" not in sys.modules
    """)
    pytester.runpytest_subprocess(*PLUGIN, "-W", "error", "--strict-markers").assert_outcomes(passed=1)


@pytest.mark.parametrize("workers", ["0", "2"])
def test_it_gets_along_with_other_plugins(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, workers: str) -> None:
    # Whichever of them are installed: `make company` has those that the project itself has no use for.
    asynchronous = {"anyio.pytest_plugin": "@pytest.mark.anyio", "pytest_asyncio.plugin": "@pytest.mark.asyncio"}
    names = [name for name in ("xdist", "pytest_randomly", "pytest_recording.plugin", *asynchronous) if find(name)]
    tests = [
        f"{mark}\nasync def test_{number}(tv_client): assert tv_client(['BINANCE:BTCUSDT']).poll(1)"
        for number, (name, mark) in enumerate(asynchronous.items())
        if name in names
    ]
    if "pytest_recording.plugin" in names:
        tests.append("@pytest.mark.vcr\n@pytest.mark.tv_tape\ndef test_both(vcr, tv_replay): assert tv_replay.path.stem == 'test_both'")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    if "pytest_asyncio.plugin" in names:
        pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function")
    pytester.makepyfile(test_mod="\n".join([STREAMS, "@pytest.fixture\ndef anyio_backend(): return 'asyncio'", *tests]))
    loaded = [arg for name in names for arg in ("-p", name)]
    result = pytester.runpytest_subprocess(*PLUGIN, *loaded, "-n", workers, "-W", "error", "--strict-markers", "--tv-record=once")
    result.assert_outcomes(passed=1 + len(tests))


def find(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


# --- HTTP on the same tape --------------------------------------------------------------------------------------------

LOGS_IN = """
import itertools, socket, pytest
from tvstreamer import Credentials, FakeServer
from tvstreamer.http import HttpClient

SITE = FakeServer(seed=7)
SESSION = Credentials(cookie="sessionid=canary-secret-9d21; sessionid_sign=v1:canary-secret-9d22")

@pytest.mark.tv_tape(source="fake:seed=7,speed=max", http=True, require_all_played=True)
def test_login(tv_client):
    with HttpClient(SITE, auth=SESSION) as http:
        [row] = http.search("btcusdt", exchange="BINANCE", limit=1)
        with tv_client([(row.symbol, "1")], n_init_bars=5, token=http.fetch_token) as client:
            assert len(list(itertools.islice(client.stream(), 30))) == 30
"""

NO_SOCKETS = """
import pytest, socket

class Guarded(socket.socket):
    def connect(self, address):
        raise AssertionError(f"a socket to {address}")

@pytest.fixture(autouse=True)
def _no_sockets(monkeypatch):
    monkeypatch.setattr(socket, "socket", Guarded)
    monkeypatch.setattr(socket, "create_connection", Guarded.connect)
"""


def test_a_test_that_logs_in_and_streams_is_replayed_from_one_tape_without_a_socket(pytester: pytest.Pytester) -> None:
    pytest.importorskip("vcr")
    file = pytester.makepyfile(test_mod=LOGS_IN)
    run(pytester, "--tv-record=once").assert_outcomes(passed=1)
    [tape] = (pytester.path / "tapes").rglob("*.jsonl")
    text = tape.read_text()
    assert text.count('"k":"http"') == 2
    assert "canary" not in text
    assert "eyJ" not in text
    pytester.makeconftest(NO_SOCKETS)
    # Whoever would be asked now is nobody.
    file.write_text(LOGS_IN.replace("FakeServer(seed=7)", '"http://127.0.0.1:9"').replace("fake:seed=7,speed=max", "ws://127.0.0.1:9/nobody"))
    result = run(pytester)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*GET http://127.0.0.1:9/symbol_search/*is not on the tape*"])
    file.write_text(LOGS_IN.replace("fake:seed=7,speed=max", "ws://127.0.0.1:9/nobody"))
    run(pytester).assert_outcomes(passed=1)
    file.write_text(LOGS_IN.replace(", token=http.fetch_token", ""))
    result = run(pytester)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*recorded, but not asked for: GET 'http://fake.invalid/chart/'*"])
