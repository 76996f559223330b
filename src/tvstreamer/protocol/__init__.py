"""TradingView's protocol without any I/O: text and the present time go in, text and events come out."""
