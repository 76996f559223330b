from __future__ import annotations

import asyncio
import functools
import inspect
import io
import json
import logging
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tvstreamer.clock import VirtualClock
from tvstreamer.errors import InvalidPlan
from tvstreamer.logging_utils import TRACE, configure_logging, trace

PACKAGE = logging.getLogger("tvstreamer")
SOME_LOGGER = logging.getLogger("tvstreamer.tests")
NOON = datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC).timestamp()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Every test leaves the package's logger as it found it."""
    handlers, level = list(PACKAGE.handlers), PACKAGE.level
    yield
    for handler in set(PACKAGE.handlers) - set(handlers):
        PACKAGE.removeHandler(handler)
        handler.close()
    PACKAGE.setLevel(level)


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def json_lines(path: Path | None) -> list[dict[str, object]]:
    assert path is not None
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]


# --- the console


def test_the_console_is_stderr_and_stdout_stays_clean(capsys: pytest.CaptureFixture[str]) -> None:
    with configure_logging():
        SOME_LOGGER.info("to be seen")
    printed = capsys.readouterr()
    assert "to be seen" in printed.err
    assert printed.out == ""


def test_a_line_tells_time_in_utc_level_place_and_message() -> None:
    stream = io.StringIO()
    with configure_logging(stream=stream):
        SOME_LOGGER.warning("%d bars", 3)
    time, level, place, message = stream.getvalue().rstrip("\n").split(maxsplit=3)
    assert datetime.fromisoformat(time).utcoffset() is not None
    assert time.endswith("+00:00")
    assert level == "WARNING"
    line = place.removeprefix("test_logging_utils.test_a_line_tells_time_in_utc_level_place_and_message:")
    assert line.isdigit()
    assert message == "3 bars"


def test_the_console_can_be_turned_off(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with configure_logging(console=False, directory=tmp_path):
        SOME_LOGGER.error("only in the files")
    assert capsys.readouterr().err == ""


def test_a_terminal_gets_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal = Terminal()
    with configure_logging("TRACE", stream=terminal):
        SOME_LOGGER.error("in red")
        SOME_LOGGER.log(TRACE, "in grey")
    assert "\x1b[" in terminal.getvalue()
    assert "TRACE" in terminal.getvalue()
    assert "test_a_terminal_gets_colours" in terminal.getvalue()


def test_what_is_no_terminal_gets_whole_lines_without_colours() -> None:
    stream = io.StringIO()
    with configure_logging(stream=stream):
        SOME_LOGGER.info("x" * 500)
    assert "\x1b[" not in stream.getvalue()
    assert stream.getvalue().count("\n") == 1


def test_without_rich_a_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich.console", None)
    terminal = Terminal()
    with configure_logging(stream=terminal):
        SOME_LOGGER.info("plain")
    assert terminal.getvalue().endswith("plain\n")
    assert "\x1b[" not in terminal.getvalue()


# --- levels


@pytest.mark.parametrize(
    ("level", "expected"), [("TRACE", TRACE), ("debug", logging.DEBUG), ("Info", logging.INFO), (15, 15)]
)
def test_a_level_is_a_name_in_any_case_or_a_number(level: str | int, expected: int) -> None:
    with configure_logging(level, console=False):
        assert PACKAGE.level == expected


def test_records_below_the_level_are_not_written() -> None:
    stream = io.StringIO()
    with configure_logging("WARNING", stream=stream):
        SOME_LOGGER.info("too quiet")
    assert stream.getvalue() == ""


def test_trace_gets_its_name_when_logging_is_configured() -> None:
    with configure_logging(console=False):
        assert logging.getLevelName(TRACE) == "TRACE"


@pytest.mark.parametrize("level", ["LOUD", "", 0, -10, None, 2.5])
def test_a_wrong_level_is_refused_with_what_would_be_right(level: object) -> None:
    with pytest.raises(InvalidPlan) as caught:
        configure_logging(level)  # type: ignore[arg-type]
    assert repr(level) in str(caught.value)
    assert "TRACE, DEBUG, INFO, WARNING, ERROR, CRITICAL" in str(caught.value)


# --- files


def test_a_pair_of_files_is_named_after_the_clock_in_utc(tmp_path: Path) -> None:
    with configure_logging(console=False, directory=tmp_path / "new" / "logs", clock=VirtualClock(NOON)) as logs:
        assert logs.log_path == tmp_path / "new" / "logs" / "tvstreamer-20260102-120000.log"
        assert logs.jsonl_path == tmp_path / "new" / "logs" / "tvstreamer-20260102-120000.jsonl"
    assert names(tmp_path / "new" / "logs") == ["tvstreamer-20260102-120000.jsonl", "tvstreamer-20260102-120000.log"]


def test_without_a_clock_the_files_are_named_after_the_present(tmp_path: Path) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    with configure_logging(console=False, directory=str(tmp_path)) as logs:
        assert logs.log_path is not None
        named = datetime.strptime(logs.log_path.stem, "tvstreamer-%Y%m%d-%H%M%S").replace(tzinfo=UTC)
    assert before <= named <= datetime.now(UTC)


def test_without_a_directory_there_are_no_files() -> None:
    with configure_logging(console=False) as logs:
        assert (logs.log_path, logs.jsonl_path) == (None, None)


def test_both_files_get_each_record(tmp_path: Path) -> None:
    with configure_logging(console=False, directory=tmp_path) as logs:
        SOME_LOGGER.info("häppchen \U0001f600")
    assert logs.log_path is not None
    assert logs.log_path.read_text(encoding="utf-8").endswith("häppchen \U0001f600\n")
    (line,) = json_lines(logs.jsonl_path)
    assert line["message"] == "häppchen \U0001f600"


def test_a_json_line_has_the_same_keys_for_each_record(tmp_path: Path) -> None:
    with configure_logging(console=False, directory=tmp_path) as logs:
        SOME_LOGGER.warning("%s closed", "series")
    (line,) = json_lines(logs.jsonl_path)
    assert list(line) == ["time", "level", "logger", "code_path", "thread", "message"]
    assert isinstance(line["time"], float)
    assert line["level"] == "WARNING"
    assert line["logger"] == "tvstreamer.tests"
    assert str(line["code_path"]).startswith("test_logging_utils.test_a_json_line_has_the_same_keys_for_each_record:")
    assert line["message"] == "series closed"


def test_an_exception_stays_on_its_json_line(tmp_path: Path) -> None:
    with configure_logging(console=False, directory=tmp_path) as logs:
        try:
            raise ValueError("first line\nsecond line")
        except ValueError:
            SOME_LOGGER.exception("failed", stack_info=True)
    (line,) = json_lines(logs.jsonl_path)
    assert str(line["exception"]).endswith("ValueError: first line\nsecond line")
    assert str(line["stack"]).startswith("Stack (most recent call last)")


def test_extra_values_are_kept_and_are_always_json(tmp_path: Path) -> None:
    odd = {"packets": 3, "symbol": "A:B", "none": None, "ratio": 0.5, "nan": float("nan"), "path": Path("x"), "t": (1,)}
    with configure_logging(console=False, directory=tmp_path) as logs:
        SOME_LOGGER.info("with extra", extra=odd)
    (line,) = json_lines(logs.jsonl_path)
    assert line["extra"] == {
        "packets": 3, "symbol": "A:B", "none": None, "ratio": 0.5, "nan": "nan", "path": repr(Path("x")), "t": "(1,)",
    }  # fmt: skip


def test_a_lone_surrogate_does_not_break_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # pytest would put the line into its report, which pytest-xdist cannot send.
    monkeypatch.setattr(logging.getLogger("tvstreamer"), "propagate", False)
    with configure_logging(console=False, directory=tmp_path) as logs:
        SOME_LOGGER.info("half \ud83d")
    assert [line["message"] for line in json_lines(logs.jsonl_path)] == ["half \ud83d"]


def test_only_the_newest_pairs_are_kept_and_other_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "tvstreamer-notes.log").touch()
    (tmp_path / "tvstreamer-20260102-120001.txt").touch()
    clock = VirtualClock(NOON)
    for _ in range(4):
        configure_logging(console=False, directory=tmp_path, keep=2, clock=clock).close()
        clock.advance(1)
    assert names(tmp_path) == [
        "tvstreamer-20260102-120001.txt",
        "tvstreamer-20260102-120002.jsonl",
        "tvstreamer-20260102-120002.log",
        "tvstreamer-20260102-120003.jsonl",
        "tvstreamer-20260102-120003.log",
        "tvstreamer-notes.log",
    ]


def test_runs_of_the_same_second_get_files_of_their_own_in_order(tmp_path: Path) -> None:
    for _ in range(12):
        configure_logging(console=False, directory=tmp_path, keep=3, clock=VirtualClock(NOON)).close()
    assert [name for name in names(tmp_path) if name.endswith(".log")] == [
        "tvstreamer-20260102-120000-10.log",
        "tvstreamer-20260102-120000-11.log",
        "tvstreamer-20260102-120000-12.log",
    ]


def test_a_stray_half_of_a_pair_is_not_written_over(tmp_path: Path) -> None:
    stray = tmp_path / "tvstreamer-20260102-120000.jsonl"
    stray.write_text("precious")
    with configure_logging(console=False, directory=tmp_path, clock=VirtualClock(NOON)) as logs:
        assert logs.log_path == tmp_path / "tvstreamer-20260102-120000-2.log"
    assert stray.read_text() == "precious"
    assert "tvstreamer-20260102-120000.log" not in names(tmp_path)


@pytest.mark.parametrize("suffix", ["log", "jsonl"])
def test_a_name_that_another_process_takes_at_the_last_moment_is_left_to_it(tmp_path: Path, suffix: str) -> None:
    theirs = tmp_path / f"tvstreamer-20260102-120000.{suffix}"

    class BusyMoment(VirtualClock):
        def now(self) -> float:
            theirs.write_text("theirs")
            return super().now()

    with configure_logging(console=False, directory=tmp_path, clock=BusyMoment(NOON)):
        SOME_LOGGER.info("ours")
    assert theirs.read_text() == "theirs"
    assert names(tmp_path) == sorted(
        [theirs.name, "tvstreamer-20260102-120000-2.jsonl", "tvstreamer-20260102-120000-2.log"]
    )


def test_the_pair_just_begun_is_kept_even_if_the_clock_dates_it_before_all_others(tmp_path: Path) -> None:
    configure_logging(console=False, directory=tmp_path, clock=VirtualClock(NOON)).close()
    with configure_logging(console=False, directory=tmp_path, keep=1, clock=VirtualClock(NOON - 60)) as logs:
        pass
    assert logs.log_path is not None
    assert names(tmp_path) == ["tvstreamer-20260102-115900.jsonl", "tvstreamer-20260102-115900.log"]


def test_an_old_file_that_cannot_be_removed_is_told_and_no_reason_to_fail(tmp_path: Path) -> None:
    in_the_way = tmp_path / "tvstreamer-20200101-000000.log"
    in_the_way.mkdir()
    with configure_logging("DEBUG", console=False, directory=tmp_path, keep=1) as logs:
        pass
    assert in_the_way.is_dir()
    (line,) = json_lines(logs.jsonl_path)
    assert f"old log file {in_the_way} stays" in str(line["message"])


@pytest.mark.parametrize("keep", [0, -1])
def test_keeping_no_files_makes_no_sense(keep: int) -> None:
    with pytest.raises(InvalidPlan, match=f"keep {keep}: expected at least 1"):
        configure_logging(keep=keep)


# --- what it leaves alone


def test_the_root_logger_and_foreign_handlers_are_left_alone() -> None:
    root = logging.getLogger()
    foreign = logging.NullHandler()
    PACKAGE.addHandler(foreign)
    before = (root.level, list(root.handlers))
    with configure_logging("DEBUG", stream=io.StringIO()):
        assert (root.level, list(root.handlers)) == before
        assert PACKAGE.propagate
    assert foreign in PACKAGE.handlers


def test_called_again_it_replaces_and_closes_its_own_handlers(tmp_path: Path) -> None:
    first, second = io.StringIO(), io.StringIO()
    before = list(PACKAGE.handlers)
    configure_logging(stream=first, directory=tmp_path)
    old = [handler for handler in PACKAGE.handlers if handler not in before]
    with configure_logging(stream=second):
        SOME_LOGGER.info("once")
        assert not set(old) & set(PACKAGE.handlers)
        assert len(PACKAGE.handlers) == len(before) + 1
    assert first.getvalue() == ""
    assert second.getvalue().count("once") == 1
    assert all(handler.stream is None for handler in old if isinstance(handler, logging.FileHandler))


def test_closing_takes_everything_back_and_may_be_repeated(tmp_path: Path) -> None:
    before = list(PACKAGE.handlers)
    logs = configure_logging("DEBUG", stream=io.StringIO(), directory=tmp_path)
    assert "open" in repr(logs)
    logs.close()
    logs.close()
    assert list(PACKAGE.handlers) == before
    assert PACKAGE.level == logging.NOTSET
    assert repr(logs) == f"<LoggingSetup closed, log_path={str(logs.log_path)!r}>"


def test_closing_a_replaced_setup_does_not_touch_its_successor() -> None:
    stream = io.StringIO()
    replaced = configure_logging("ERROR", stream=io.StringIO())
    with configure_logging("DEBUG", stream=stream):
        replaced.close()
        SOME_LOGGER.debug("still here")
    assert "still here" in stream.getvalue()


def test_when_the_files_cannot_be_made_the_logging_is_what_it_was(tmp_path: Path) -> None:
    (tmp_path / "a-file").touch()
    stream = io.StringIO()
    with configure_logging("ERROR", stream=stream):
        before = list(PACKAGE.handlers)
        with pytest.raises(OSError, match="a-file"):
            configure_logging("DEBUG", directory=tmp_path / "a-file")
        assert list(PACKAGE.handlers) == before
        assert PACKAGE.level == logging.ERROR


# --- trace


class Records(logging.Handler):
    def __init__(self) -> None:
        super().__init__(TRACE)
        self.lines: list[str] = []
        self.places: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        assert record.levelno == TRACE
        self.lines.append(record.getMessage())
        self.places.append(record.code_path)  # type: ignore[attr-defined]


@pytest.fixture
def traced() -> Iterator[Records]:
    logger, records = logging.getLogger("tvstreamer.trace"), Records()
    level = logger.level
    logger.addHandler(records)
    logger.setLevel(TRACE)
    yield records
    logger.removeHandler(records)
    logger.setLevel(level)


@trace
def add(first: int, *, second: int = 0) -> int:
    """Adds."""
    return first + second


@trace
def fail(secret: str) -> None:
    raise KeyError(secret)


@trace
def count_to(last: int) -> Iterator[int]:
    yield from range(1, last + 1)


@trace
async def answer(question: str) -> str:
    await asyncio.sleep(0)
    if not question:
        raise ValueError(question)
    return f"no: {question}"


@trace
async def ticks() -> AsyncIterator[int]:
    yield 1


class Counter:
    @trace
    def bump(self, by: int) -> int:
        return by + 1

    @trace
    @staticmethod
    def above_static() -> str:
        return "static"

    @staticmethod
    @trace
    def below_static() -> str:
        return "static"

    @trace
    @classmethod
    def made(cls) -> Counter:
        return cls()


def test_trace_logs_entry_and_return(traced: Records) -> None:
    assert add(1, second=2) == 3
    assert traced.lines == ["> add(2 arguments)", "< add"]


def test_trace_logs_the_kind_of_an_exception_and_lets_it_through(traced: Records) -> None:
    with pytest.raises(KeyError, match="hunter2"):
        fail("hunter2")
    assert traced.lines == ["> fail(1 argument)", "! fail: KeyError"]


def test_trace_names_the_place_of_the_traced_function(traced: Records) -> None:
    add(1)
    line = inspect.unwrap(add).__code__.co_firstlineno
    assert traced.places == [f"test_logging_utils.add:{line}"] * 2


def test_trace_on_methods_names_their_class(traced: Records) -> None:
    assert Counter().bump(1) == 2
    assert traced.lines == ["> Counter.bump(2 arguments)", "< Counter.bump"]


def test_trace_goes_above_or_below_staticmethod_and_classmethod(traced: Records) -> None:
    assert Counter.above_static() == Counter().below_static() == "static"
    assert isinstance(Counter.made(), Counter)
    assert traced.lines == [
        "> Counter.above_static(0 arguments)", "< Counter.above_static",
        "> Counter.below_static(0 arguments)", "< Counter.below_static",
        "> Counter.made(1 argument)", "< Counter.made",
    ]  # fmt: skip


def test_trace_on_a_generator_logs_the_call_and_not_the_run(traced: Records) -> None:
    numbers = count_to(2)
    assert traced.lines == ["> count_to(1 argument)", "< count_to"]
    assert list(numbers) == [1, 2]
    assert len(traced.lines) == 2


def test_trace_on_a_coroutine_function_logs_the_run(traced: Records) -> None:
    asked = answer("why?")
    assert traced.lines == []
    assert asyncio.run(asked) == "no: why?"
    assert traced.lines == ["> answer(1 argument)", "< answer"]


def test_trace_on_a_coroutine_function_logs_its_exception(traced: Records) -> None:
    with pytest.raises(ValueError, match=r"^$"):
        asyncio.run(answer(""))
    assert traced.lines == ["> answer(1 argument)", "! answer: ValueError"]


def test_trace_on_an_async_generator_logs_the_call(traced: Records) -> None:
    async def collect() -> list[int]:
        return [number async for number in ticks()]

    assert asyncio.run(collect()) == [1]
    assert traced.lines == ["> ticks(0 arguments)", "< ticks"]


@pytest.mark.parametrize(
    ("function", "arguments", "name"),
    [(functools.partial(divmod, 7), [2], "partial"), (functools.cache(Counter), [], "Counter"), (len, ["abc"], "len")],
)
def test_trace_takes_anything_that_can_be_called(
    traced: Records, function: Callable[..., object], arguments: list[object], name: str
) -> None:
    trace(function)(*arguments)
    assert traced.lines[-1] == f"< {name}"
    assert traced.places[0].endswith(f".{name}")


def test_trace_keeps_the_functions_metadata() -> None:
    assert add.__name__ == "add"
    assert add.__doc__ == "Adds."
    assert str(inspect.signature(add)) == "(first: 'int', *, second: 'int' = 0) -> 'int'"
    assert inspect.iscoroutinefunction(answer)


def test_trace_is_silent_unless_the_level_asks_for_it() -> None:
    stream = io.StringIO()
    with configure_logging("DEBUG", stream=stream):
        assert add(1) == 1
        assert asyncio.run(answer("why?")) == "no: why?"
    assert stream.getvalue() == ""


def test_trace_shows_in_a_configured_log_with_its_own_place() -> None:
    stream = io.StringIO()
    with configure_logging("TRACE", stream=stream):
        add(1)
    first, second = stream.getvalue().splitlines()
    assert "TRACE    test_logging_utils.add:" in first
    assert first.endswith("> add(1 argument)")
    assert second.endswith("< add")
