"""`python -m ma_alert BINANCE:BTCUSDT 1`: prints alerts, one line each, until it is interrupted."""

from __future__ import annotations

import argparse
import itertools
import sys

from ma_alert.bot import alerts
from tvstreamer import Subscription, TvWSClient
from tvstreamer.errors import TvError


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="ma-alert", description="Alerts when two moving averages of a symbol cross.")
    parser.add_argument("symbol", help="for example BINANCE:BTCUSDT")
    parser.add_argument("interval", help="for example 1, 15, 1D")
    parser.add_argument("--fast", type=int, default=9, help="bars of the fast average (%(default)s)")
    parser.add_argument("--slow", type=int, default=21, help="bars of the slow average (%(default)s)")
    parser.add_argument("--source", default="live", help="live, fake, a ws:// address, or the path of a tape (%(default)s)")
    parser.add_argument("--most", type=int, help="end after so many alerts")
    given = parser.parse_args(argv)
    try:
        # Ticks would only be thrown away.
        wanted = Subscription(given.symbol, given.interval, ticks=False)
        with TvWSClient([wanted], source=given.source, n_init_bars=given.slow + 1) as client:
            for alert in itertools.islice(alerts(client, given.fast, given.slow), given.most):
                print(alert, flush=True)
    except (TvError, ValueError) as error:
        print(f"ma-alert: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
