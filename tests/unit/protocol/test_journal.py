"""What the journal keeps of each command, and what it does not."""

from __future__ import annotations

import pytest

from tvstreamer.protocol.journal import NOTES, REPLIES, Journal, JournalEntry
from tvstreamer.protocol.packets import (
    Command,
    CreateSeries,
    ModifySeries,
    QuoteAddSymbols,
    QuoteCompleted,
    QuoteRemoveSymbols,
    QuoteSetFields,
    RemoveSeries,
    RequestMoreData,
    ResolveSymbol,
    SetAuthToken,
    SetLocale,
)

APPLE = '={"symbol":"NASDAQ:AAPL"}'
SYMBOLS = {("cs", "alias"): APPLE, ("cs", "s1"): APPLE}
DONE = QuoteCompleted(QuoteCompleted.Params("qs", "A:B"))


@pytest.mark.parametrize(
    ("command", "session", "symbols", "interval"),
    [
        (ResolveSymbol(ResolveSymbol.Params("cs", "alias", APPLE)), "cs", ("NASDAQ:AAPL",), ""),
        (CreateSeries(CreateSeries.Params("cs", "s1", "t", "alias", "1D", 3, "")), "cs", ("NASDAQ:AAPL",), "1D"),
        (CreateSeries(CreateSeries.Params("cs", "s1", "t", "other", "1D", 3, "")), "cs", (), "1D"),
        (ModifySeries(ModifySeries.Params("cs", "s1", "t", "alias", "5", "")), "cs", ("NASDAQ:AAPL",), "5"),
        (RequestMoreData(RequestMoreData.Params("cs", "s1", 5)), "cs", ("NASDAQ:AAPL",), ""),
        (RemoveSeries(RemoveSeries.Params("cs", "s9")), "cs", (), ""),
        (QuoteAddSymbols(["qs", "A:B", APPLE]), "qs", ("A:B", "NASDAQ:AAPL"), ""),
        (QuoteRemoveSymbols(["qs", "A:B"]), "qs", ("A:B",), ""),
        (QuoteSetFields(["qs", "lp"]), "", (), ""),
        (SetLocale(SetLocale.Params("en", "US")), "", (), ""),
    ],
)
def test_a_command_is_told_by_its_session_symbols_and_interval(
    command: Command, session: str, symbols: tuple[str, ...], interval: str
) -> None:
    journal = Journal(3)
    journal.command(1.5, command, lambda session, name: SYMBOLS.get((session, name)))
    [entry] = journal
    assert entry == JournalEntry(1.5, "command", entry.method, "", 3, session, symbols, interval)
    assert entry.direction == "send"


def test_a_token_is_not_kept() -> None:
    journal = Journal()
    journal.command(1.0, SetAuthToken(SetAuthToken.Params("hush")), lambda _session, _name: None)
    assert "hush" not in repr(list(journal))


def test_what_was_said_by_either_side_stands_in_order() -> None:
    journal = Journal()
    journal.note(1.0, "ignored", "dance")
    journal.reply(1.0, DONE)
    journal.note(1.0, "closed", "", "1000")
    journal.message(1.0, ["du"])
    assert [(entry.kind, entry.direction) for entry in journal] == [
        ("ignored", "send"), ("reply", "recv"), ("closed", ""), ("reply", "recv"),
    ]  # fmt: skip
    assert repr(journal) == "<Journal of connection 1, 4 entries>"
    journal.clear()
    assert list(journal) == []


def test_it_forgets_the_oldest_and_replies_crowd_out_no_commands() -> None:
    journal = Journal()
    for number in range(NOTES + 5):
        journal.note(float(number), "ignored", "dance")
        journal.reply(float(number), DONE)
    assert len(journal) == NOTES + REPLIES
    assert next(iter(journal)).at == 5.0


def test_nothing_of_a_client_is_kept_at_any_length() -> None:
    journal = Journal()
    journal.note(1.0, "ignored", "x" * 1_000_000, "y" * 1_000_000)
    journal.command(1.0, QuoteAddSymbols(["q" * 1_000_000, *["s" * 1_000_000] * 3]), lambda _session, _name: None)
    journal.command(1.0, QuoteAddSymbols(["q", *["s"] * 100_000]), lambda _session, _name: None)
    assert sum(len(repr(entry)) for entry in journal) < 10_000


def test_an_entry_reads_as_a_line() -> None:
    entry = JournalEntry(12.0, "command", "create_series", "", 2, "cs", ("A:B",), "1D")
    assert str(entry) == "connection 2, at 12.000: command create_series A:B 1D"
