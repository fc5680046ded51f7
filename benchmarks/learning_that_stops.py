"""Does a pooler's learning help a forecast? python benchmarks/learning_that_stops.py SERIES.csv

Learns the first rows of a series with mini-batches of ten, the spatial pooler only up to a row, and
prints the MAPE of the forecasts five rows ahead over the later half of them. Fields can be set as
in `htmrun train`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from htmrun.components.sources import open_source
from htmrun.config.compose import load
from htmrun.execution.jobs import Builder, schedule_of
from htmrun.training.schedule import Cursor

STOPS = (0, 1000, 2500, 5000, None)
PIECE = 500
HORIZON = 5


def mape(overrides: list[str], stop: int | None, seed: int) -> float:
    """Return sum |error| / sum |value| over the later half; the pooler learns up to `stop`."""
    experiment = load(overrides).experiment
    builder, arm = Builder(experiment, open_source(experiment.data)), experiment.arm["minibatch"]
    pipeline, schedule, cursor = builder.pipeline(arm, seed), schedule_of(arm), Cursor()
    came, made, done = [], [], 0
    for chunk in builder.source.train(seed, 0, PIECE):
        if stop is not None and done >= stop:
            pipeline.stages[0].learn = False
        plan, cursor = schedule.plan(cursor, chunk.reset, np.zeros(len(chunk), np.uint8))
        (scores,) = [s for s in pipeline.run(chunk, plan).scores if s.horizon == HORIZON]
        done += len(chunk)
        came.append(np.asarray(chunk.target, np.float64))
        made.append(scores.estimate("median"))
    y, forecast = (np.concatenate(parts)[done // 2 :] for parts in (came, made))
    known = ~np.isnan(y)
    return float(np.abs(y - forecast)[known].sum() / np.abs(y)[known].sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, help="CSV file")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("fields", nargs="*", help="fields to set, as in htmrun train")
    options = parser.parse_intermixed_args()
    overrides = ["experiment=stream", f"data.path={options.data.resolve()}", *options.fields]
    print("| the pooler learns | mape_5, seed by seed |\n| --- | --- |")
    for stop in STOPS:
        found = [mape(overrides, stop, seed) for seed in range(options.seeds)]
        when = "all along" if stop is None else f"the first {stop:,} rows" if stop else "never"
        print(f"| {when} | {', '.join(f'{value:.4f}' for value in found)} |", flush=True)


if __name__ == "__main__":
    main()
