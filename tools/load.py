"""Many clients on one fake server: whether it keeps up, and what that costs.

    python tools/load.py --clients 1000 --rate 10 --seconds 20
    python tools/load.py --clients 1000 --rate 10 --seconds 20 --symbols 2000

This process is the server, a synthetic market in real time; the clients are in another process. Each client follows as many
symbols as it takes for about `--rate` messages a second: all the same, or with `--symbols` its share of so many. Every
hundredth client reads its messages closely: the market is made from a seed, so the moment of each tick is known there too,
and the lag of a message is the time from its tick to its arrival. Figures are of the time after everybody has connected.
Exit code 1: messages are missing, a connection is lost, or the lag is beyond `--bound`.
"""

from __future__ import annotations

import argparse
import cProfile
import itertools
import json
import os
import re
import resource
import selectors
import socket
import string
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tvstreamer.protocol import framing
from tvstreamer.server.fake import FakeServer
from tvstreamer.server.market import Market

SEED = 7
BASES = "BTC ETH BNB SOL LTC XRP ADA DOGE".split()
QUOTES = "USDT USDC USD EUR GBP".split()
SYMBOLS = [f"BINANCE:{base}{quote}" for quote in QUOTES for base in BASES]
"""Lively ones: each has about one tick in two seconds."""
A_SYMBOL = 0.5
LIVELY = 0.35
"""Ticks a second from which on an invented symbol is taken."""
CLOSELY = 100
SETTLE = 4.0
_UPDATE = re.compile(rb'"n":"([^"]+)","s":"ok","v":\{([^}]*)\}')
_VOLUME = re.compile(rb'"volume":([0-9.e+]+)')


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=10.0, help="messages a second to each client")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--symbols", type=int, default=0, metavar="N", help="of so many symbols each client follows some")
    parser.add_argument("--bound", type=float, default=0.5, help="seconds of lag that 99 of 100 messages may have")
    parser.add_argument("--profile", metavar="FILE", help="write a profile of the server's thread here")
    parser.add_argument("--of", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.of:
        print(json.dumps(Clients(options.of, options.clients, options.rate, options.symbols).run(options.seconds)))
        return 0
    return serve(options)


def serve(options: argparse.Namespace) -> int:
    with FakeServer(seed=SEED, heartbeat_timeout=None) as server:
        words = ["--of", server.url, "--clients", options.clients, "--rate", options.rate, "--seconds", options.seconds]
        words += ["--symbols", options.symbols]
        command = [sys.executable, __file__, *map(str, words)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as clients:
            assert clients.stderr is not None
            assert clients.stdout is not None
            clients.stderr.readline()  # all are connected and have settled
            profile = cProfile.Profile() if options.profile else None
            if profile:
                _in_its_thread(server, profile.enable)
            before, began, memory = _cpu(), time.monotonic(), _memory()
            clients.stderr.readline()  # the time is over
            cpu, took = _cpu() - before, time.monotonic() - began
            grown = _memory() - memory
            if profile:
                _in_its_thread(server, profile.disable)
                profile.dump_stats(options.profile)
            result = json.loads(clients.stdout.readline())
    lag = result["lag"]
    print(
        f"{options.clients} clients, {result['messages'] / took / options.clients:.1f} messages a second each, for {took:.0f} s\n"
        f"server: {100 * cpu / took:.0f} % of a core, {1e6 * cpu / result['messages']:.0f} us a message, "
        f"{memory / 1e6:.0f} MB, {grown / 1e6:+.1f} MB meanwhile\n"
        f"lag of {len(lag)} messages of {result['watched']} clients: "
        f"p50 {_at(lag, 0.5)}, p99 {_at(lag, 0.99)}, most {_at(lag, 1)}\n"
        f"missing: {result['missing']} of {result['expected']} messages; connections lost: {result['lost']}"
    )
    late = lag[min(len(lag) - 1, int(0.99 * len(lag)))] > options.bound
    return 1 if late or result["missing"] or result["lost"] else 0


def _in_its_thread(server: FakeServer, function: Callable[[], None]) -> None:
    assert server._listener is not None
    server._listener.call(function)


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _memory() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _at(ordered: list[float], share: float) -> str:
    return f"{1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]:.1f} ms"


def lively(count: int) -> list[str]:
    """Invented symbols that have about as many ticks as the known ones."""
    market, now = Market(SEED), time.time()
    symbols: list[str] = []
    for letters in itertools.product(string.ascii_uppercase, repeat=3):
        symbol = f"BINANCE:{''.join(letters)}USDT"
        if len(market.ticks(symbol, now - 60, now)) >= 60 * LIVELY:
            symbols.append(symbol)
            if len(symbols) == count:
                return symbols
    raise SystemExit(f"--symbols {count}: expected at most {len(symbols)}")


class Clients:
    """All clients, on one selector: as little work for each as can be, since the server shares the machine."""

    def __init__(self, url: str, clients: int, rate: float, symbols: int) -> None:
        self._address = (urlsplit(url).hostname, urlsplit(url).port)
        self._path = urlsplit(url).path
        self._wanted = max(1, round(rate / A_SYMBOL))
        self._symbols = lively(symbols) if symbols else SYMBOLS[: self._wanted]
        if self._wanted > len(self._symbols):
            raise SystemExit(f"--rate {rate:g}: expected at most {len(self._symbols) * A_SYMBOL:g}")
        self._selector = selectors.DefaultSelector()
        self._clients = [self._connect(number) for number in range(clients)]

    def _connect(self, number: int) -> Client:
        raw = socket.create_connection(self._address, timeout=60)
        raw.sendall(
            f"GET {self._path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        taken = b""
        while b"\r\n\r\n" not in taken:
            taken += raw.recv(65_536)
        first = number * self._wanted
        symbols = [self._symbols[each % len(self._symbols)] for each in range(first, first + self._wanted)]
        commands: list[dict[str, Any]] = [
            {"m": "quote_create_session", "p": ["qs_load"]},
            {"m": "quote_set_fields", "p": ["qs_load", "lp", "volume"]},
            {"m": "quote_add_symbols", "p": ["qs_load", *symbols]},
        ]
        text = framing.join([json.dumps(command, separators=(",", ":")) for command in commands]).encode()
        raw.sendall(b"\x81\xfe" + len(text).to_bytes(2, "big") + b"\0\0\0\0" + text)
        raw.setblocking(False)
        client = Client(raw, taken.partition(b"\r\n\r\n")[2], symbols, closely=number % CLOSELY == 0)
        self._selector.register(raw, selectors.EVENT_READ, client)
        return client

    def run(self, seconds: float) -> dict[str, Any]:
        self._read(SETTLE)
        for client in self._clients:
            client.messages = 0
        print("settled", file=sys.stderr, flush=True)
        began = time.time()
        self._read(seconds)
        over = time.time()
        messages = sum(client.messages for client in self._clients)
        print("over", file=sys.stderr, flush=True)
        self._read(1.0)
        market = Market(SEED)
        lag: list[float] = []
        missing = expected = 0
        watched = [client for client in self._clients if client.arrivals is not None]
        for client in watched:
            assert client.arrivals is not None
            for symbol in client.symbols:
                # Ticks at the edges may belong to either side.
                times = {tick.time for tick in market.ticks(symbol, began, over - 0.1)}
                volumes = {float(market.quote(symbol, moment)["volume"]): moment for moment in times}
                expected += len(volumes)
                for volume, moment in volumes.items():
                    arrived = client.arrivals.get((symbol.encode(), volume))
                    if arrived is None:
                        missing += 1
                    else:
                        lag.append(arrived - moment)
        return {
            "messages": messages,
            "watched": len(watched),
            "expected": expected,
            "missing": missing,
            "lost": sum(client.lost for client in self._clients),
            "lag": sorted(lag),
        }

    def _read(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            for key, _ in self._selector.select(left):
                if not key.data.read():
                    self._selector.unregister(key.fileobj)
            # Many at a time cost less than one by one, and a few milliseconds are not what is measured here.
            time.sleep(0.002)


class Client:
    """Counts messages; one that looks closely notes when each update of a quote came."""

    def __init__(self, raw: socket.socket, early: bytes, symbols: list[str], *, closely: bool) -> None:
        self._raw = raw
        self.symbols = symbols
        self._rest = early
        self.messages = 0
        self.lost = False
        self.arrivals: dict[tuple[bytes, float], float] | None = {} if closely else None

    def read(self) -> bool:
        try:
            data = self._raw.recv(1_048_576)
        except BlockingIOError:
            return True
        except OSError:
            data = b""
        if not data:
            self.lost = True
            return False
        now = time.time()
        data = self._rest + data
        place = 0
        while len(data) >= place + 4:
            length, head = data[place + 1], 2
            if length == 126:
                length, head = int.from_bytes(data[place + 2 : place + 4], "big"), 4
            elif length == 127:
                length, head = int.from_bytes(data[place + 2 : place + 10], "big"), 10
            end = place + head + length
            if len(data) < end:
                break
            self.messages += 1
            if self.arrivals is not None:
                self._note(data[place + head : end], now)
            place = end
        self._rest = data[place:]
        return True

    def _note(self, message: bytes, now: float) -> None:
        assert self.arrivals is not None
        for symbol, values in _UPDATE.findall(message):
            volume = _VOLUME.search(values)
            if volume:
                self.arrivals.setdefault((symbol, float(volume[1])), now)


if __name__ == "__main__":
    sys.exit(main())
