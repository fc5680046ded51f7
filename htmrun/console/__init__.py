"""The terminal: live bars or plain lines while a run goes on, then a table or one JSON line."""

from htmrun.console.interval import Interval, mean_interval
from htmrun.console.live import LiveView
from htmrun.console.summary import Results, final_table, json_summary

__all__ = ["Interval", "LiveView", "Results", "final_table", "json_summary", "mean_interval"]
