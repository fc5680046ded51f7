"""Watching a run: one live bar per arm, or plain lines where the output is no terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TextIO

from rich import progress

from htmrun.cli.terminal.progress import ArmProgress, Overview
from htmrun.cli.terminal.summary import Results, final_table, json_summary
from htmrun.cli.terminal.terminal import console_for
from htmrun.compare.numbers import duration, number
from htmrun.training.records import Failed, Finished, Job, Progress, Record, Started

if TYPE_CHECKING:
    from rich.console import Console

_QUARTERS = 4


class LiveView:
    """Shows records as they come; use it as a context manager.

    On a terminal one bar per arm, elsewhere one line per finished job and one per quarter of an
    arm. `quiet` shows only the final table, `json` only one JSON line at the end. Notices and
    errors go to stderr in both.
    """

    def __init__(
        self,
        jobs: Iterable[Job] = (),
        *,
        metric: str | Sequence[str] = (),
        quiet: bool = False,
        json: bool = False,
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
        said: Callable[[], None] = lambda: None,
    ) -> None:
        """`jobs`: all of the run; `metric`: which to show, the first that an arm reports.

        `said` is called with every line.
        """
        self._out = console_for(stdout or sys.stdout)
        self._err = console_for(stderr or sys.stderr)
        self._metrics = (metric,) if isinstance(metric, str) else tuple(metric)
        self._silent = quiet or json
        self._said = said
        self._json = json
        self._overview = Overview(jobs)
        self._quarters: dict[str, int] = {}
        self._bars: Any = None
        self._tasks: dict[str, Any] = {}
        if self._out.is_terminal and not self._silent:
            self._bars = _bars(self._out)

    def __enter__(self) -> Self:
        if self._bars is not None:
            for arm in self._overview.arms.values():
                self._show(arm)
            self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bars is not None:
            self._bars.stop()
            self._bars = None

    def handle(self, record: Record) -> None:
        """Take in one record and show what it changes."""
        before = self._overview.arms.get(record.job.arm)
        was_running = before is not None and record.job not in before.ended
        arm = self._overview.update(record)
        if isinstance(record, Failed):
            word = "interrupted" if record.interrupted else "failed"
            self._to(self._err, f"{record.job.name} {word}: {record.error}")
        if self._bars is not None:
            self._show(arm)
        if isinstance(record, Started) and record.earlier:
            self.notice(f"{record.job.name} goes on after {record.earlier:,} samples")
        if self._silent or self._bars is not None:
            return
        if isinstance(record, Finished) and was_running:
            self._to(self._out, self._finished_line(record))
        elif isinstance(record, Progress):
            self._plain_progress(arm)

    @property
    def far(self) -> str:
        """How far the arms are whose jobs run, in one line; empty where bars show it."""
        if self._bars is not None:
            return ""
        arms = [arm for arm in [*self._overview.arms.values()] if len(arm.ended) < len(arm.done)]
        return ", ".join(
            f"{arm.arm} {100 * arm.completed // arm.total} % of {arm.total:,} samples"
            if arm.total
            else f"{arm.arm} {arm.completed:,} samples"
            for arm in arms
        )

    def notice(self, text: str) -> None:
        """Show a line meant for the user: above the bars, or on stderr when silent."""
        self._to(self._err if self._silent else self._out, text)

    def result(
        self,
        run_id: str,
        status: str,
        results: Results,
        main_metrics: Sequence[str],
        closing: Sequence[str] = (),
        joules: Mapping[str, float | None] | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        """Print the final table and the `closing` lines, or the JSON line as the last on stdout.

        `joules`: the energy of the whole run, for the JSON line; `notes`: for it, too.
        """
        if self._json:
            for line in closing:
                self._to(self._err, line)
            summary = json_summary(run_id, status, results, joules or {}, notes, main_metrics)
            print(json.dumps(summary), file=self._out.file, flush=True)
            return
        self._out.print(final_table(results, main_metrics))
        for line in closing:
            self.notice(line)

    # --- bars -----------------------------------------------------------------------------

    def _show(self, arm: ArmProgress) -> None:
        if arm.arm not in self._tasks:
            self._tasks[arm.arm] = self._bars.add_task(arm.arm, total=None, **self._fields(arm))
        done = len(arm.ended) == arm.jobs and arm.jobs > 0
        self._bars.update(
            self._tasks[arm.arm],
            total=arm.total or None,
            completed=arm.total if done and not arm.failed else arm.completed,
            **self._fields(arm),
        )

    def _fields(self, arm: ArmProgress) -> dict[str, str]:
        left = arm.eta(self._overview.clock())
        finished = len(arm.ended) == arm.jobs
        return {
            "seeds": f"{len(arm.ended)}/{arm.jobs}",
            "rate": f"{arm.rate:,.0f}/s" if arm.rate else "",
            "eta": "" if left is None or finished else duration(left),
            "metric": self._metric(arm.metrics),
            "state": f"[red]{len(arm.failed)} failed[/red]" if arm.failed else "",
        }

    def _metric(self, metrics: dict[str, float]) -> str:
        name = next((m for m in self._metrics if m in metrics), next(iter(metrics), None))
        return f"{name} {number(metrics[name], name)}" if name else ""

    # --- plain lines -----------------------------------------------------------------------

    def _finished_line(self, record: Finished) -> str:
        rate = record.metrics.get("samples_per_s")
        parts = [f"{record.job.name} finished in {duration(record.seconds)}"]
        parts.append(self._metric({k: v for k, v in record.metrics.items() if v is not rate}))
        if rate is not None:
            parts.append(f"{rate:,.0f} samples/s")
        return ", ".join(part for part in parts if part)

    def _plain_progress(self, arm: ArmProgress) -> None:
        quarter = _QUARTERS * arm.completed // arm.total if arm.total else 0
        if not self._quarters.get(arm.arm, 0) < quarter < _QUARTERS:
            return
        self._quarters[arm.arm] = quarter
        left = arm.eta(self._overview.clock())
        parts = [
            f"{arm.arm}: {100 * quarter // _QUARTERS} % of {arm.total:,} samples",
            self._metric(arm.metrics),
            f"{arm.rate:,.0f} samples/s",
            f"{duration(left)} left" if left is not None else "",
        ]
        self._to(self._out, ", ".join(part for part in parts if part))

    def _to(self, console: Console, text: str) -> None:
        target = self._bars.console if self._bars is not None and console is self._out else console
        self._said()
        # soft_wrap: a long line (a path, a link) must not be broken, or it cannot be copied.
        target.print(text, markup=False, soft_wrap=True)


def _bars(console: Console) -> Any:
    return progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.SpinnerColumn(),
        progress.BarColumn(bar_width=None),
        progress.TextColumn("{task.percentage:>3.0f} %"),
        progress.TextColumn("seeds {task.fields[seeds]}", style="dim"),
        progress.TextColumn("{task.fields[rate]}", justify="right"),
        progress.TextColumn("{task.fields[eta]}", justify="right", style="cyan"),
        progress.TextColumn("{task.fields[metric]}{task.fields[state]}"),
        console=console,
        expand=True,
        refresh_per_second=8,
    )
