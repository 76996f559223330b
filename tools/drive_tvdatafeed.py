"""Lets PyPI's tvdatafeed-enhanced, unmodified but for the address it connects to, fetch bars from a fake server.

Start `tvstreamer serve --source fake` and pass the address that it prints, in an environment where that client and
websocket-client are installed: `python tools/drive_tvdatafeed.py ws://127.0.0.1:PORT/socket.io/websocket`
"""

import sys

from tvDatafeed import Interval, TvDatafeed, main  # type: ignore[import-not-found]

if __name__ == "__main__":
    connect = main.create_connection
    main.create_connection = lambda url, **options: connect(sys.argv[1], **options)
    bars = TvDatafeed().get_hist("BTCUSDT", "BINANCE", Interval.in_1_minute, n_bars=300)
    print(bars)
    sys.exit(0 if bars is not None and len(bars) == 300 else 1)
