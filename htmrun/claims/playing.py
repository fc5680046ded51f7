"""Runs what claims name, each experiment once however many claims ask for it."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from htmrun import experiment
from htmrun.backends.cuda import cards
from htmrun.claims import costs
from htmrun.claims.judging import Figures, judge
from htmrun.claims.measures import MEASURES
from htmrun.claims.outcome import Outcome
from htmrun.claims.provenance import here
from htmrun.claims.schema import MEASURED, Claim, Part, Size
from htmrun.config.compose import Loaded, load
from htmrun.errors import UserError, one_of
from htmrun.execution.jobs import jobs_of
from htmrun.training.records import Failed, Finished, Record

__all__ = ["Player", "costs"]
Arms = dict[str, dict[int, dict[str, float]]]


@dataclass(frozen=True)
class Played:
    """What came of a part: figures, how it was run, the id under which it is recorded."""

    arms: Arms
    command: str
    run: str


@dataclass
class Player:
    """Plays claims at one size; `told` hears each part's command, its jobs, and each that ends."""

    size: Size
    directory: str = "runs"
    uri: str | None = None
    config_dir: Path | None = None
    record: bool = True
    told: Callable[[str, int, int], None] = lambda command, done, jobs: None
    _played: dict[tuple[str, ...], Played] = field(default_factory=dict)

    def check(self, claim: Claim) -> None:
        """Raise UserError for what of a claim's parts and rules cannot be run."""
        for name, part in claim.parts.items():
            if part.experiment is not None:
                _arms_known(claim, name, self._loaded(claim, part))

    def play(self, claim: Claim) -> Outcome:
        """Run a claim and return what came of it. Raises UserError."""
        begun = time.perf_counter()
        if claim.by == "words":
            return Outcome(claim.number, self.size, "answered", claim.answer, origin=here(0.0))
        if claim.by == "card" and cards.lacking() is not None:
            return Outcome(claim.number, self.size, "needs a card", _last(claim), origin=here(0.0))
        self.check(claim)
        played = {name: self._part(claim, part) for name, part in claim.parts.items()}
        figures: Figures = {name: found.arms for name, found in played.items()}
        outcome = judge(claim, figures, self.size)
        return replace(
            outcome,
            commands=tuple(dict.fromkeys(found.command for found in played.values())),
            runs=tuple(dict.fromkeys(found.run for found in played.values() if found.run)),
            origin=here(time.perf_counter() - begun),
        )

    def commands(self, claim: Claim) -> list[str]:
        """Return how a claim's parts can be run by hand."""
        return [self._command(claim, part) for part in claim.parts.values()]

    def _command(self, claim: Claim, part: Part) -> str:
        if part.measure is not None:
            return f"htmrun claim {claim.number}{' --full' * (self.size == 'full')}"
        return shlex.join(["htmrun", "train", *self._overrides(claim, part)])

    def _overrides(self, claim: Claim, part: Part) -> list[str]:
        seeds = ",".join(map(str, claim.seeds.of(self.size)))
        return [*part.overrides(self.size), f"seeds=[{seeds}]"]

    def _loaded(self, claim: Claim, part: Part) -> Loaded:
        kept = ["tracking.models_mb=0", "tracking.forecasts_mb=0", f"tracking.dir={self.directory}"]
        if self.uri is not None:
            kept.append(f"tracking.uri={self.uri}")
        try:
            return load([*self._overrides(claim, part), *kept], self.config_dir)
        except UserError as error:
            lines = "\n".join(f"claim {claim.number}: {line}" for line in str(error).splitlines())
            raise UserError(lines) from None

    def _part(self, claim: Claim, part: Part) -> Played:
        command = self._command(claim, part)
        key = (command,)
        if key not in self._played:
            if part.measure is not None:
                self._played[key] = self._measured(claim, part.measure, command)
            else:
                self._played[key] = self._run(claim, part, command)
        return self._played[key]

    def _measured(self, claim: Claim, name: str, command: str) -> Played:
        seeds = claim.seeds.of(self.size)
        self.told(command, 0, len(seeds))
        found: dict[int, dict[str, float]] = {}
        for done, seed in enumerate(seeds, 1):
            found[seed] = dict(MEASURES[name](self.size, seed))
            self.told(command, done, len(seeds))
        return Played({MEASURED: found}, command, "")

    def _run(self, claim: Claim, part: Part, command: str) -> Played:
        loaded = self._loaded(claim, part)
        jobs = len(jobs_of(loaded.experiment))
        self.told(command, 0, jobs)
        done = 0

        def watch(record: Record) -> None:
            nonlocal done
            if isinstance(record, Finished | Failed):
                done += 1
                self.told(command, done, jobs)

        results = experiment.run(
            loaded, workers=loaded.experiment.workers, record=self.record, models=False, watch=watch
        )
        if results.failed:
            first = results.failed[0]
            raise UserError(f"claim {claim.number}: {first.job.name} failed: {first.error}")
        arms: Arms = {}
        for done_job in results.finished:
            number = float(int(done_job.state_hash[:13], 16))
            metrics = {**done_job.metrics, "state_hash": number, "seconds": done_job.seconds}
            arms.setdefault(done_job.job.arm, {})[done_job.job.seed] = metrics
        return Played(arms, command, results.run_id if self.record else "")


def _last(claim: Claim) -> str:
    told = "; ".join(
        f"{last.figure}: {last.value:,.10g} ({last.card}, {last.date}, {last.page})"
        for last in claim.measured
    )
    return f"no card is here; measured last: {told}"


def _arms_known(claim: Claim, part: str, loaded: Loaded) -> None:
    known = loaded.experiment.selected
    named = [
        (f"rules[{place}].{side}", name)
        for place, rule in enumerate(claim.rules)
        for side, name in (("of", rule.of), ("than", rule.than))
        if isinstance(name, str)
    ]
    named += [(f"control[{place}]", name) for place, name in enumerate(claim.control)]
    for field_name, name in named:
        of, arm = claim.place(name)
        if of == part and arm not in known:
            raise UserError(
                f"claim {claim.number}: {field_name}: found '{arm}', {one_of(arm, known)}"
            )
