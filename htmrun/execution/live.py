"""A trained model that answers rows as they come: forecasts, anomaly scores, alerts.

How rows are cut into pieces changes no answer and no byte of the state.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from htmrun.components.classifiers.horizons import piece
from htmrun.components.pipeline import Outcome
from htmrun.components.sources import Chunk
from htmrun.components.sources.reading import Row, RowReader
from htmrun.errors import UserError
from htmrun.execution.saved import Saved
from htmrun.training.measures.forecasts import (
    ENDS,
    judged,
    made_at_one,
    made_here,
    memory_of,
    of_others,
    raw_of,
    raw_of_one,
    time_texts,
)
from htmrun.training.measures.judge import Judge

Answer = dict[str, Any]


class Encoded(NamedTuple):
    """Rows that were read and encoded: samples, their bits, which of the rows they are."""

    chunk: Chunk
    bits: Any
    kept: Sequence[int]


class Live:
    """Answers rows of a series, in their order; with `learn` it learns from each, too."""

    def __init__(self, saved: Saved, *, learn: bool = True, device: str = "cpu") -> None:
        """Raises UserError for a model of other data than a series."""
        reading = saved.reads
        if reading is None:
            raise UserError(
                f"model: found one of {saved.facts['name']} (data.kind "
                f"'{saved.configuration['data']['kind']}'), expected one of a series; "
                "htmrun.load_model gives it to Python"
            )
        self._saved, self.learn = saved, learn
        self.model = saved.model(device, learn=learn)
        self.rows = saved.rows
        self.reader = RowReader(reading)
        if "reader" in saved.after:
            self.reader.load(saved.after["reader"])
        else:
            last = saved.after.get("last", {})
            known = (*reading.numeric, *reading.texts)
            self.reader.last = {n: float(last[n][0]) for n in known if n in last}
            if reading.rules:
                self.reader.derived.load(saved.after["derived"])
        self.last_time = _time_of(saved.after.get("last", {}))
        self._memory = memory_of(self.model.pipeline.stages)
        self._judge = Judge(saved.experiment.anomaly, int(saved.facts["samples"]))
        if "judge" in saved.after:
            self._judge.load(saved.after)

    @property
    def names(self) -> list[str]:
        """The names of what an answer holds."""
        names = [*(["time"] if self.reader.reading.dates else []), "value"]
        horizons = self.model.pipeline.readout.targets.horizons
        names += [f"{what}_{h}" for h in horizons for what in ("forecast", *ENDS)]
        for column in self.model.pipeline.others:
            names.append(f"value/{column}")
            names += [f"{what}_{h}/{column}" for h in horizons for what in ("forecast", *ENDS)]
        if self._memory is None:
            return names
        score = ["score"] if self._judge.says_more else []
        return [*names, "anomaly", "likelihood", *score, "alert"]

    def take(self, rows: Sequence[Row]) -> list[Answer]:
        """Return one answer a row; ValueError, in words, where one cannot be read or encoded.

        A row has a cell for each column of the training data: a text as in the file, or a number
        (int, float, NumPy's), a time (datetime, date, datetime64), None for a missing value.
        forecast_H: made at this row, of the value H rows later, with its 90 % interval;
        forecast_H/COLUMN: of a further column. Nothing has changed where a row is wrong.
        """
        return self.answer(self.read(rows))

    def read(self, rows: Sequence[Row], after: np.datetime64 | None = None) -> Encoded:
        """Return rows as `answer` takes them; ValueError, in words, for one that is wrong.

        after: rows up to that time are left out.
        """
        before, begins = self.reader.place(), self.reader.restart
        try:
            chunk = self.reader.chunk(rows)
            kept: Sequence[int] = range(len(rows))
            if after is not None and (chunk.fields["timestamp"] <= after).any():
                new = np.flatnonzero(~(chunk.fields["timestamp"] <= after))
                chunk, kept = chunk.take(new), new.tolist()
                if begins:  # The first that is taken begins the sequence.
                    chunk.reset[:1] = 1
                    self.reader.restart = not len(chunk)
            chunk = self.reader.derived.add(chunk)
            bits = self.model.pipeline.encoder.encode(chunk.fields) if len(chunk) else None
            return Encoded(chunk, bits, kept)
        except UserError as error:
            self.reader.go_back(before)
            raise ValueError(str(error)) from None

    def answer(self, encoded: Encoded) -> list[Answer]:
        """Return what `take` does of rows that were read."""
        chunk, bits = encoded.chunk, encoded.bits
        if "timestamp" in chunk.fields and len(chunk):
            self.last_time = chunk.fields["timestamp"][-1]
        inner = (np.flatnonzero(chunk.reset[1:]) + 1).tolist() if len(chunk) > 1 else []
        answers: list[Answer] = []
        if inner:
            for start, stop in pairwise([0, *inner, len(chunk)]):
                answers += self._piece(chunk.slice(start, stop), piece(bits, start, stop))
        elif len(chunk):
            answers = self._piece(chunk, bits)
        self.rows += len(chunk)
        return answers

    def begin_sequence(self) -> None:
        """Let the next row start a new sequence: it does not follow what was learned last."""
        self.reader.restart = True

    def saved(self) -> Saved:
        """Return the model as it is now."""
        after = {
            **self._judge.state(), "reader": self.reader.state(),
            "last": {} if self.last_time is None else {"timestamp": np.array([self.last_time])},
        }  # fmt: skip
        return self._saved.gone_on(self.model, after, self.rows)

    def _piece(self, chunk: Chunk, bits: Any) -> list[Answer]:
        """Answer rows of one sequence."""
        model = self.model
        ends = np.zeros(len(chunk), np.uint8)
        plan, model.cursor = model.schedule.plan(model.cursor, chunk.reset, ends)
        outcome = model.pipeline.run(chunk, plan, bits)
        if len(ends) == 1:
            return [self._row(chunk, outcome)]
        columns: dict[str, Sequence[Any]] = {"value": chunk.target.tolist()}
        if "timestamp" in chunk.fields:
            columns = {"time": time_texts(chunk.fields["timestamp"]), **columns}
        found = made_here(outcome.scores, model.pipeline.readout, len(chunk))
        found |= of_others(outcome, model.pipeline, chunk)
        if self._memory is not None:
            raw = raw_of(self._memory)
            found |= judged(raw, self._judge.add(raw, chunk.fields["value"]), self._judge)
        columns |= {name: values.tolist() for name, values in found.items()}
        return [
            dict(zip(columns, values, strict=True))
            for values in zip(*columns.values(), strict=True)
        ]

    def _row(self, chunk: Chunk, outcome: Outcome) -> Answer:
        """Return the answer to a single row, found in numbers instead of arrays."""
        pipeline, memory, answer = self.model.pipeline, self._memory, Answer()
        if "timestamp" in chunk.fields:
            (answer["time"],) = time_texts(chunk.fields["timestamp"])
        answer["value"] = chunk.target.item()
        answer |= made_at_one(outcome.scores, pipeline.readout)
        for name, readout in pipeline.others.items():
            answer[f"value/{name}"] = float(chunk.others[name].item())
            answer |= made_at_one(outcome.others[name], readout, f"/{name}")
        if memory is not None:
            raw = raw_of_one(memory)
            likelihood, score, alert = self._judge.add_one(raw, chunk.fields["value"].item())
            answer |= {"anomaly": raw, "likelihood": likelihood}
            if self._judge.says_more:
                answer["score"] = score
            answer["alert"] = int(alert)
        return answer


def _time_of(last: Mapping[str, np.ndarray]) -> np.datetime64 | None:
    found: Iterator[np.datetime64] = iter(last.get("timestamp", ()))
    return next(found, None)
