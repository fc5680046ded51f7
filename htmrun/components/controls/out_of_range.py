"""A value beyond everything before it: the simplest rule that finds anomalies."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from htmrun.components.controls import ControlParameters, Detector, Series, Values
from htmrun.components.likelihood import AnomalyParameters
from htmrun.components.registry import register


class OutOfRangeParameters(ControlParameters):
    """Anomalies without learning: values beyond everything before them."""

    baseline: Literal["out_of_range"] = Field(
        "out_of_range", description="out_of_range: values beyond everything before them."
    )
    margin: float = Field(
        0.05, ge=0.0, le=1e6, description="By more than this share of the range so far."
    )


@register("control", OutOfRangeParameters)
class OutOfRange(Detector):
    """The rule of `anomaly.out_of_range` alone."""

    parameters: OutOfRangeParameters

    def score(self, series: Series) -> Values:
        """Return that no row is strange by itself; the rule is the judge's."""
        return np.zeros(len(series.values))

    def judged_by(self, anomaly: AnomalyParameters) -> AnomalyParameters:
        """Return that the rule alone makes alerts; the first rows are left out as for everybody."""
        level = 1.0 if anomaly.choose == "fixed" else None
        own = {"score": "raw", "out_of_range": self.parameters.margin, "threshold": level}
        return anomaly.model_copy(update=own)
