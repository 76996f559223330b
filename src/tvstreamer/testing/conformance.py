"""The battery that tells whether something is a transport: each promise of `tvstreamer.transports.base`, tried out.

For authors of transports as much as for ours. It needs no test framework: a broken promise is an `AssertionError` that
names it. What a peer cannot do, it says by raising `Unsupported`; those checks are listed as skipped.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Final, Protocol, TypeVar

from tvstreamer.errors import TransportBusy, TransportClosed, TransportError, TransportTimeout, shorten
from tvstreamer.transports.base import Received, Transport

E = TypeVar("E", bound=TransportError)

PATIENCE: Final = 20.0
"""Real seconds after which something that ought to happen counts as not happening."""

BRIEF: Final = 0.05
"""Seconds to wait for something that ought not to happen."""


class Unsupported(Exception):
    """Raised by a peer that cannot do what it was asked for."""


class Peer(Protocol):
    """The other end of the transport under test. Any method may raise `Unsupported`; `close` when the peer cannot give
    a code. `send` may return before the message has arrived."""

    def send(self, message: str) -> None: ...

    def recv(self, timeout: float) -> str: ...

    def close(self, code: int, reason: str) -> None: ...

    def reset(self) -> None:
        """Ends the connection without a goodbye."""
        ...


class OtherEnd:
    """The peer where both ends of a connection are transports. Its `reset` is a close with 1006."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def send(self, message: str) -> None:
        self._transport.send(message)

    def recv(self, timeout: float) -> str:
        return self._transport.recv(timeout).text

    def close(self, code: int, reason: str) -> None:
        self._transport.close(code, reason)

    def reset(self) -> None:
        self._transport.close(1006)


Pair = tuple[Transport, Peer]
MakePair = Callable[[], AbstractContextManager[Pair] | Pair]
"""A new, open transport and its peer; as a context manager where something has to be cleaned up."""


def check_transport(make_pair: MakePair, *, report: Callable[[str], None] = print) -> list[str]:
    """Runs every check on a pair of its own. Returns the names of those skipped, after telling them to `report`.

    Raises `AssertionError` for the first broken promise. The transport must be on a clock that runs by itself.
    """
    skipped = []
    for check in CHECKS:
        name = check.__name__.removeprefix("_").replace("_", " ")
        with _opened(make_pair) as (transport, peer):
            try:
                check(transport, peer)
            except Unsupported as exc:
                skipped.append(name)
                report(f"skipped: {name}" + (f" ({exc})" if str(exc) else ""))
    return skipped


def _messages_arrive_whole_in_order_and_unchanged(transport: Transport, peer: Peer) -> None:
    for message in MESSAGES:
        peer.send(message)
    for message in MESSAGES:
        got = _recv(transport).text
        _promise(1, got == message, f"expected {_brief(message)}, received {_brief(got)}")


def _sent_messages_arrive_whole_in_order_and_unchanged(transport: Transport, peer: Peer) -> None:
    # One after the other: nobody reads here while the transport sends, so a peer that echoes would block both.
    for message in MESSAGES:
        transport.send(message)
        got = peer.recv(PATIENCE)
        _promise(1, got == message, f"sent {_brief(message)}, the peer received {_brief(got)}")


def _a_message_of_ten_megabytes_arrives(transport: Transport, peer: Peer) -> None:
    message = "0123456789" * 1_000_000
    peer.send(message)
    _promise(1, _recv(transport).text == message, "a message of 10 MB was changed on its way")


def _arrival_times_do_not_go_back(transport: Transport, peer: Peer) -> None:
    for number in range(10):
        peer.send(str(number))
    times = [_recv(transport).at for _ in range(10)]
    _promise(1, times == sorted(times), f"arrival times go back: {times}")
    _promise(1, times[0] >= transport.info.opened_at, f"{times[0]} is before the opening, {transport.info.opened_at}")


def _recv_times_out_when_nothing_comes(transport: Transport, peer: Peer) -> None:
    for timeout in (0, BRIEF):
        _raises(2, TransportTimeout, lambda timeout=timeout: transport.recv(timeout))  # type: ignore[misc]


def _a_timeout_loses_nothing(transport: Transport, peer: Peer) -> None:
    message = "x" * 3_000_000
    _raises(2, TransportTimeout, lambda: transport.recv(0))
    peer.send(message)
    peer.send("after")
    got = []
    for _ in range(20_000):
        try:
            got.append(transport.recv(0.0001).text)
        except TransportTimeout:
            continue
        if len(got) == 2:
            break
    _promise(2, got == [message, "after"], f"after timeouts in its midst, received {[_brief(text) for text in got]}")


def _received_messages_survive_the_peers_close(transport: Transport, peer: Peer) -> None:
    peer.send("first")
    peer.send("last")
    peer.close(4001, "enough")
    got = [_recv(transport).text for _ in range(2)]
    _promise(3, got == ["first", "last"], f"expected what was sent before the close, received {got}")
    for _ in range(3):
        closed = _raises(3, TransportClosed, lambda: transport.recv(PATIENCE))
        _promise(3, (closed.code, closed.reason) == (4001, "enough"), f"expected 4001 'enough', got {closed!r}")


def _send_after_the_peers_close_raises(transport: Transport, peer: Peer) -> None:
    peer.close(1000, "")
    _raises(3, TransportClosed, lambda: transport.recv(PATIENCE))
    _raises(5, TransportClosed, lambda: transport.send("late"))


def _a_reset_is_a_close_with_1006(transport: Transport, peer: Peer) -> None:
    peer.reset()
    for _ in range(2):
        closed = _raises(6, TransportClosed, lambda: transport.recv(PATIENCE))
        _promise(3, closed.code == 1006, f"expected code 1006 after a reset, got {closed.code}")


def _close_is_idempotent(transport: Transport, peer: Peer) -> None:
    for _ in range(3):
        transport.close()
    for _ in range(2):
        _raises(4, TransportClosed, lambda: transport.recv(0))


def _the_peer_learns_of_close(transport: Transport, peer: Peer) -> None:
    transport.close(1000, "done")
    closed = _raises(4, TransportClosed, lambda: peer.recv(PATIENCE))
    _promise(4, closed.code == 1000, f"the peer expected code 1000, got {closed.code}")


def _close_wakes_a_blocked_recv(transport: Transport, peer: Peer) -> None:
    outcome: list[object] = []
    with _reader(4, transport, outcome):
        transport.close()
    _promise(4, isinstance(outcome[0], TransportClosed), f"the blocked recv expected TransportClosed, got {outcome}")


def _send_after_close_raises(transport: Transport, peer: Peer) -> None:
    transport.close()
    for _ in range(2):
        _raises(5, TransportClosed, lambda: transport.send("late"))


def _a_second_reader_is_turned_away(transport: Transport, peer: Peer) -> None:
    outcome: list[object] = []
    with _reader(7, transport, outcome):
        _raises(7, TransportBusy, lambda: transport.recv(0))
        peer.send("for the first reader")
    _promise(7, outcome == ["for the first reader"], f"the first reader received {outcome}")


def _one_reader_and_one_writer_run_at_once(transport: Transport, peer: Peer) -> None:
    count, text = 300, "x" * 20_000
    received: list[str] = []

    def read() -> None:
        received.extend(transport.recv(PATIENCE).text for _ in range(count))

    def write() -> None:
        for number in range(count):
            transport.send(f"{number}{text}")

    def feed() -> None:
        for number in range(1, count):
            peer.send(f"{number}{text}")

    # Here, so that a peer which cannot send or hear says so here, and not in another thread.
    peer.send(f"0{text}")
    transport.send("")
    peer.recv(PATIENCE)
    expected = [f"{number}{text}" for number in range(count)]
    with _thread(7, read), _thread(7, write), _thread(7, feed):
        sent = [peer.recv(PATIENCE) for _ in range(count)]
    _promise(7, received == expected, "what was received while another thread was sending is not what the peer sent")
    _promise(7, sent == expected, "what the peer received is not what was sent while another thread was receiving")


MESSAGES: Final = (
    "",
    "~m~4~m~~h~1",
    "",
    "\N{GRINNING FACE}\U0010ffff\u2028\x00\r\n\ufeff",
    "m" * 1_048_576,
    "\N{GRINNING FACE}\N{LATIN SMALL LETTER E WITH ACUTE}" * 100_000,
    *(str(number) for number in range(100)),
)

CHECKS: Final[tuple[Callable[[Transport, Peer], None], ...]] = (
    _messages_arrive_whole_in_order_and_unchanged,
    _sent_messages_arrive_whole_in_order_and_unchanged,
    _a_message_of_ten_megabytes_arrives,
    _arrival_times_do_not_go_back,
    _recv_times_out_when_nothing_comes,
    _a_timeout_loses_nothing,
    _received_messages_survive_the_peers_close,
    _send_after_the_peers_close_raises,
    _a_reset_is_a_close_with_1006,
    _close_is_idempotent,
    _the_peer_learns_of_close,
    _close_wakes_a_blocked_recv,
    _send_after_close_raises,
    _a_second_reader_is_turned_away,
    _one_reader_and_one_writer_run_at_once,
)

_PROMISES: Final = {
    1: "messages arrive whole, in order and unchanged",
    2: "recv raises TransportTimeout when nothing came, and a timeout loses nothing",
    3: "after the peer closed, what was received is handed out, then each recv raises TransportClosed",
    4: "close is idempotent, for any thread, and wakes a blocked recv",
    5: "send after close raises TransportClosed",
    6: "nothing but TransportError escapes",
    7: "one reader and one writer may run at once, a second reader gets TransportBusy",
}


def _promise(number: int, kept: bool, problem: str) -> None:
    if not kept:
        raise AssertionError(f"promise {number} ({_PROMISES[number]}): {problem}")


def _raises(number: int, expected: type[E], action: Callable[[], object]) -> E:
    try:
        result = action()
    except expected as exc:
        return exc
    except Unsupported:
        raise
    except Exception as exc:
        blame = number if isinstance(exc, TransportError) else 6
        raise AssertionError(
            f"promise {blame} ({_PROMISES[blame]}): expected {expected.__name__}, got {exc!r}"
        ) from exc
    raise AssertionError(
        f"promise {number} ({_PROMISES[number]}): expected {expected.__name__}, but nothing was raised and "
        f"{_brief(result)} came back"
    )


def _recv(transport: Transport) -> Received:
    try:
        return transport.recv(PATIENCE)
    except TransportError as exc:
        raise AssertionError(f"promise 1 ({_PROMISES[1]}): expected a message, got {exc!r}") from exc
    except Exception as exc:
        raise AssertionError(f"promise 6 ({_PROMISES[6]}): expected a message, got {exc!r}") from exc


@contextmanager
def _reader(number: int, transport: Transport, outcome: list[object]) -> Iterator[None]:
    """Another thread blocked in `recv` when the body begins; its message or error is in `outcome` after it."""

    def read() -> None:
        while True:
            try:
                outcome.append(transport.recv(PATIENCE * 2).text)
            except TransportBusy:
                continue  # the body's own look at whether this thread is there yet came first
            except TransportError as exc:
                outcome.append(exc)
            return

    with _thread(number, read):
        for _ in range(20_000):
            try:
                transport.recv(0)
            except TransportBusy:
                break
            except TransportTimeout:
                continue
        else:
            raise AssertionError(f"promise {number} ({_PROMISES[number]}): a second reader never got TransportBusy")
        try:
            yield
        except BaseException:
            transport.close()  # so that the reader does not wait for what will not come
            raise


@contextmanager
def _thread(number: int, action: Callable[[], None]) -> Iterator[None]:
    """Runs `action` beside the body. It must end in time, and raise nothing."""
    failures: list[Exception] = []

    def run() -> None:
        try:
            action()
        except Exception as exc:
            failures.append(exc)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join(PATIENCE)
    _promise(number, not thread.is_alive(), f"another thread was still blocked after {PATIENCE:g} s")
    if failures:
        raise AssertionError(
            f"promise {number} ({_PROMISES[number]}): in another thread: {failures[0]!r}"
        ) from failures[0]


@contextmanager
def _opened(make_pair: MakePair) -> Iterator[Pair]:
    made = make_pair()
    with made if isinstance(made, AbstractContextManager) else nullcontext(made) as (transport, peer):
        try:
            yield transport, peer
        finally:
            transport.close()


def _brief(value: object) -> str:
    return shorten(value, 40)
