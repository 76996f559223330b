"""A soak: one client for a long time against `tvstreamer serve`, with a lost connection every few minutes.

    python tools/soak.py --minutes 60 --rate 1000 --outage-every 5

Prints a line a minute: messages a second, memory, connections, and what the ledger says. Ends with 1 where a bar was lost, came
twice or late, and with 0 else. The market runs faster than real time, so that few symbols make many messages; the client and its
sockets are those of every day.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tvstreamer.events import Bar, Gap
from tvstreamer.faults import FaultPlan, close
from tvstreamer.reconnect import ReconnectPolicy
from tvstreamer.wsclient import TvWSClient

SPEED = 20
TICKS_A_SECOND = 0.18
"""What one symbol of the synthetic market makes, about."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--rate", type=float, default=1000.0, help="messages a second, about")
    parser.add_argument("--outage-every", type=float, default=5.0, help="minutes between two lost connections")
    options = parser.parse_args()
    symbols = [f"SOAK:S{number}" for number in range(max(1, round(options.rate / SPEED / TICKS_A_SECOND)))]
    plan = FaultPlan([close(at=options.outage_every * 60 * SPEED, code=1006)])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "plan.toml")
        path.write_text(plan.to_toml(), encoding="utf-8")
        command = [sys.executable, "-m", "tvstreamer", "serve", "--source", f"fake:seed=1,speed={SPEED}", "--faults", str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
            assert server.stdout is not None
            try:
                return soak(server.stdout.readline().strip(), symbols, options.minutes * 60)
            finally:
                server.terminate()


def soak(url: str, symbols: list[str], seconds: float) -> int:
    print(f"{len(symbols)} symbols of {url} for {seconds / 60:g} minutes", flush=True)
    counts: Counter[str] = Counter()
    begun = told = time.monotonic()
    messages = 0
    # Some seconds of real time are more than a bar of this market, so that each outage leaves something to fill in.
    policy = ReconnectPolicy(initial=8.0)
    with TvWSClient([(symbol, "1") for symbol in symbols], source=url, reconnect=policy, n_init_bars=100) as client:
        while (now := time.monotonic()) < begun + seconds:
            for event in client.poll(1.0) or ():
                counts[type(event).__name__] += 1
                if isinstance(event, Bar) and event.closed:
                    counts["closed" if event.revision == 0 else "revised"] += 1
                elif isinstance(event, Gap) and event.interval is not None:
                    counts["filled"] += event.filled or 0
                    counts["unfilled"] += event.filled is None or event.filled != event.expected
            if now - told >= 60:
                statistics = client.statistics()
                rate = (statistics.messages - messages) / (now - told)
                messages, told = statistics.messages, now
                print(
                    f"{(now - begun) / 60:5.1f} min  {rate:7.0f} messages/s  {_memory():6.1f} MB"
                    f"  {statistics.connections} connections  {counts['closed']} bars closed,"
                    f" {counts['filled']} of them filled in, {counts['unfilled']} gaps open",
                    flush=True,
                )
        verdict = client.ledger.verify()
        statistics = client.statistics()
    print(f"{statistics.messages} messages, {sum(counts[name] for name in ('Tick', 'Bar'))} ticks and bars")
    print(dict(counts))
    print(verdict)
    return 0 if verdict else 1


def _memory() -> float:
    """Resident memory now, in MB; its peak, where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return pages * resource.getpagesize() / 1e6


if __name__ == "__main__":
    sys.exit(main())
