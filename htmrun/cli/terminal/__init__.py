"""The terminal: live bars or plain lines while a run goes on, then a table or one JSON line."""

from htmrun.cli.terminal.live import LiveView
from htmrun.cli.terminal.summary import Results, final_table, json_summary
from htmrun.compare.interval import Interval, mean_interval

__all__ = ["Interval", "LiveView", "Results", "final_table", "json_summary", "mean_interval"]
