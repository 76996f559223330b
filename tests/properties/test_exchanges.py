"""Properties of HTTP exchanges on a tape: no secret gets there, wherever it stood, and what has none comes back to the byte."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable

from hypothesis import assume, given
from hypothesis import strategies as st

from tvstreamer.tape.exchanges import Exchange, read_exchange
from tvstreamer.tape.format import Header
from tvstreamer.tape.reader import TapeReader
from tvstreamer.tape.redact import Redactor
from tvstreamer.tape.writer import TapeWriter

START = 1_700_000_000.0
CANARY = "canary5f1e"
GIVEN = f"{CANARY}-given"
JWT = f"eyJhbGciOiJIUzI1NiJ9.eyJ1c2VyX2lkIjoxfQ.{CANARY}"

text = st.text(st.characters(codec="utf-8", exclude_characters='\r\n"\\'), max_size=30)
PLACES: list[Callable[[str], str]] = [
    lambda around: f'{around}{{"auth_token":"{CANARY}-a","x":"{around}"}}',
    lambda around: f'{around}"session_hash" : "{CANARY}\\"b"{around}',
    lambda around: f'{around}{{\\"private_channel\\":\\"{CANARY}-c\\"}}{around}',
    lambda around: f'{around}"username":"{CANARY}"{around}',
    lambda around: f"{around} {JWT} {around}",
    lambda around: f"{around}{GIVEN}{around}",
]
PACKED: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "deflate": zlib.compress, "": bytes}
headers = st.lists(
    st.sampled_from([
        ("Cookie", f"sessionid={CANARY}-sid; a=b"), ("Set-Cookie", f"sessionid_sign={CANARY}-sign; Path=/"),
        ("authorization", f"Bearer {CANARY}"), ("Location", f"/x?token={CANARY}"), ("X-Plain", "plain"),
    ]),
    max_size=4,
)  # fmt: skip


def written(exchange: Exchange) -> bytes:
    file = io.BytesIO()
    file.close, kept = (lambda: None), file  # type: ignore[method-assign]
    writer = TapeWriter(file, Header(start=START), redactor=Redactor(key=b"k" * 32, secrets=[GIVEN]))
    writer.exchange(exchange, START)
    writer.finish()
    return kept.getvalue()


def read(tape: bytes) -> Exchange:
    [record] = TapeReader(io.BytesIO(tape))
    return read_exchange(record.http)


@given(st.lists(st.tuples(st.sampled_from(PLACES), text), max_size=4), headers, headers, st.sampled_from(list(PACKED)), st.binary(max_size=5))
def test_no_secret_gets_on_a_tape_wherever_it_stands(
    places: list[tuple[Callable[[str], str], str]],
    sent: list[tuple[str, str]],
    received: list[tuple[str, str]],
    coding: str,
    odd: bytes,
) -> None:
    plain = "\n".join(place(around) for place, around in places).encode() + odd
    coded = [*received, ("Content-Encoding", coding)] if coding else received
    exchange = Exchange(
        "GET", f"https://h.example/chart/AbCdEf12/?token={CANARY}-url", 200, "OK", tuple(sent), plain, tuple(coded), PACKED[coding](plain)
    )
    tape = written(exchange)
    kept = read(tape)
    assert CANARY.encode() not in tape
    for body in (kept.sent, kept.body, *([gzip.decompress(kept.body)] if kept.body[:2] == b"\x1f\x8b" else [])):
        assert CANARY.encode() not in body
    assert [name for name, _ in kept.sent_headers] == [name for name, _ in sent]
    # Once is enough.
    assert read(written(kept)) == kept


@given(st.binary(max_size=200), st.sampled_from(list(PACKED)), st.lists(st.tuples(st.sampled_from(["a", "b"]), text), max_size=4))
def test_an_exchange_without_secrets_comes_back_to_the_byte(body: bytes, coding: str, pairs: list[tuple[str, str]]) -> None:
    harmless = Redactor(key=b"k" * 32)
    assume(all(harmless.url(value) == value for _, value in pairs))
    coded = (*pairs, ("Content-Encoding", coding)) if coding else tuple(pairs)
    exchange = Exchange("POST", "https://h.example/x", 201, "", tuple(pairs), body, coded, PACKED[coding](body))
    assert read(written(exchange)) == exchange
