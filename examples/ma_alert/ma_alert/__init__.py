"""Alerts when the moving averages of a symbol's closing prices cross."""

from ma_alert.bot import Alert, alerts
from ma_alert.crossing import Crossing

__all__ = ["Alert", "Crossing", "alerts"]
