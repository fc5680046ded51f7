"""What a file of `conf/claim/` holds: a claim, what is run for it, and the rules that decide."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from htmrun.backends.parameters import Parameters
from htmrun.claims.measures import MEASURES
from htmrun.compare.interval import FEWEST_SEEDS
from htmrun.compare.statistics import fewest_seeds
from htmrun.errors import mismatch

Size = Literal["small", "full"]
Answer = Literal["experiment", "words", "card"]
MEASURED = "measured"
"""The one arm of a part that is measured by a function."""
_PERCENT = re.compile(r"^\d+(\.\d+)? ?%$")
_NAME = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")]


class Part(Parameters):
    """An experiment with overrides, as on the command line of `htmrun train`, or a measurement."""

    experiment: str | None = Field(None, description="Name of the experiment.")
    measure: str | None = Field(None, description="Name of a measurement of cost, in its place.")
    settings: tuple[str, ...] = Field((), description="Overrides in both sizes.")
    small: tuple[str, ...] = Field((), description="Further overrides at the small size.")
    full: tuple[str, ...] = Field((), description="Further overrides at the full size.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.experiment is None) == (self.measure is None):
            raise ValueError("found both or neither of experiment and measure, expected one")
        if self.measure is not None and self.measure not in MEASURES:
            raise ValueError(mismatch("measure", self.measure, sorted(MEASURES)))
        if self.measure is not None and (self.settings or self.small or self.full):
            raise ValueError("settings: found beside measure, expected them beside experiment only")
        return self

    def overrides(self, size: Size) -> list[str]:
        """Return what stands behind `htmrun train` at a size, without seeds."""
        return [f"experiment={self.experiment}", *self.settings, *getattr(self, size)]


class Rule(Parameters):
    """A comparison that is made, written down before anything is run.

    It is answered yes where the whole 95 % interval of the mean difference, paired by seed, lies
    beyond `by` in the direction asked (`within`: inside of it), no where the whole interval lies
    on the other side, and is open in between. `equal` asks that every pair is the same, bit for
    bit, `different` that one of them is not.
    """

    says: str = Field(..., min_length=1, description="What is asked, as a statement.")
    metric: str = Field(..., min_length=1, description="A metric of the jobs, or state_hash.")
    of: str = Field(MEASURED, description="The arm: NAME, or PART/NAME where there are parts.")
    than: str | float | None = Field(None, description="What it is held against: arm or number.")
    than_metric: str | None = Field(None, description="Another metric of `than`; null: the same.")
    ask: Literal["higher", "lower", "within", "equal", "different"] = Field(
        ..., description="What the difference is asked to be."
    )
    by: float | str = Field(
        0.0, description="Smallest effect that matters, in the metric's unit, or 5 % of `than`."
    )
    check: bool = Field(
        False, description="A condition of the experiment itself: unless yes, nothing is decided."
    )

    @field_validator("by")
    @classmethod
    def _of_by(cls, by: float | str) -> float | str:
        if isinstance(by, str) and not _PERCENT.match(by):
            raise ValueError(f"found '{by}', expected a number, or one with % behind it")
        if isinstance(by, float) and by < 0:
            raise ValueError(f"found {by}, expected at least 0")
        return by

    @model_validator(mode="after")
    def _against(self) -> Self:
        if self.than is None and self.than_metric is None:
            raise ValueError("than: missing, expected an arm, a number, or than_metric")
        if isinstance(self.than, float) and self.than_metric is not None:
            raise ValueError("than_metric: found beside a number, expected it beside an arm")
        asked = (
            self.ask not in ("equal", "different")
            and not self.check
            and not isinstance(self.than, float)
        )
        if asked and self.by in (0.0, "0%", "0 %"):
            raise ValueError("by: found 0, expected the smallest effect that matters")
        return self

    @property
    def other(self) -> str:
        """The arm that `of` is held against, where that is no number."""
        return self.of if self.than is None else str(self.than)


class Seeds(Parameters):
    """How many seeds, from `first` on, each size runs."""

    first: int = Field(0, ge=0, le=1 << 32, description="The first seed.")
    small: int = Field(3, ge=1, le=1000)
    full: int = Field(10, ge=FEWEST_SEEDS, le=1000)

    def of(self, size: Size) -> range:
        """Return the seeds that a size runs."""
        return range(self.first, self.first + int(getattr(self, size)))


class Card(Parameters):
    """A figure that was measured on a card earlier, kept where there is none to measure on."""

    figure: str = Field(..., min_length=1, description="What was measured, with its unit.")
    value: float = Field(..., description="The value.")
    card: str = Field(..., min_length=1, description="The card's name.")
    date: str = Field(..., pattern=r"^\d{4}-\d{2}-\d{2}$", description="The day.")
    page: str = Field(..., description="The page that has the command and all figures.")


class Shown(Parameters):
    """Where the program shows what an answer in words says."""

    what: str = Field(..., min_length=1)
    where: str = Field(..., min_length=1, description="A command, a page or a file.")


class Claim(Parameters):
    """A claim or question, and how it is settled."""

    number: int = Field(..., ge=1, le=999)
    claim: str = Field(..., min_length=1, description="In the words in which it was made.")
    tested: str = Field(..., min_length=1, description="The statement that the verdict is about.")
    by: Answer = Field("experiment", description="What settles it.")
    parts: dict[_NAME, Part] = Field(default_factory=dict, description="What is run, by name.")
    rules: tuple[Rule, ...] = ()
    holds: Literal["all", "any"] = Field(
        "all", description="Whether all rules must be answered yes, or one is enough."
    )
    control: tuple[str, ...] = Field((), description="Arms shown as controls.")
    seeds: Seeds = Seeds.model_validate({})
    note: str = Field("", description="What a reader should know beside the verdict.")
    answer: str = Field("", description="The answer, of a claim that words settle.")
    shown: tuple[Shown, ...] = Field((), description="What in the program shows the answer.")
    measured: tuple[Card, ...] = Field((), description="Figures of a card, of one that needs it.")

    @model_validator(mode="after")
    def _whole(self, _: ValidationInfo) -> Self:
        if self.by == "words":
            if not self.answer or not self.shown:
                raise ValueError("answer: expected an answer and what shows it, for by: words")
            return self
        if not self.parts or not [rule for rule in self.rules if not rule.check]:
            raise ValueError("rules: expected parts to run and a rule that decides")
        deciding = sum(not rule.check for rule in self.rules)
        if self.seeds.full < fewest_seeds(deciding):
            raise ValueError(
                f"seeds.full: found {self.seeds.full}, expected at least {fewest_seeds(deciding)}: "
                f"with fewer, {deciding} rules cannot all be decided"
            )
        if self.by == "card" and not self.measured:
            raise ValueError("measured: found nothing, expected a card's last figure")
        for place, rule in enumerate(self.rules):
            self._known(f"rules[{place}].of", rule.of)
            if isinstance(rule.than, str):
                self._known(f"rules[{place}].than", rule.than)
        for place, name in enumerate(self.control):
            self._known(f"control[{place}]", name)
        return self

    def _known(self, field: str, name: str) -> None:
        part, slash, _ = name.partition("/")
        if slash and part not in self.parts:
            raise ValueError(f"{mismatch(field, part, self.parts)}, then / and the arm")
        if not slash and len(self.parts) > 1:
            raise ValueError(f"{field}: found '{name}', expected PART/ARM, as there are parts")

    def place(self, name: str) -> tuple[str, str]:
        """Return part and arm of a name as rules have it."""
        part, slash, arm = name.partition("/")
        return (part, arm) if slash else (next(iter(self.parts)), name)
