"""Every measure of a small job: rows for its metrics, the same after stops, nothing changed."""

from __future__ import annotations

from htmrun.testing import MeasureChecks
from htmrun.testing.measures import SMALL
from htmrun.training.measures.anomalies import Anomalies
from htmrun.training.measures.copies import Copies
from htmrun.training.measures.drift import Drift
from htmrun.training.measures.held_out import HeldOut
from htmrun.training.measures.inside import Inside
from htmrun.training.measures.latency import Latency
from htmrun.training.measures.network_layers import NetworkLayers
from htmrun.training.measures.pace import Pace
from htmrun.training.measures.peak_memory import PeakMemory
from htmrun.training.measures.pixel_noise import PixelNoise
from htmrun.training.measures.prequential import Prequential
from htmrun.training.measures.probes import Probes
from htmrun.training.measures.target import Target
from htmrun.training.measures.tasks import TaskSequence
from htmrun.training.measures.unit_shift import UnitShift
from tests.helpers.experiments import SEQUENCES

STREAM = (*SEQUENCES, "seeds=[0]", "arms=[minibatch_50]", "curve_points=5", "data.steps=600")
NETWORK = (
    "experiment=sparse_digits", "seeds=[0]", "epochs=1", "arms=[sparse]", "curve_points=3",
    "sparse.layers.conv1.channels=2", "sparse.layers.conv2.channels=2",
    "sparse.layers.hidden.units=16", "noise_images=20", "sparse.probes=true",
    "data.test_fraction=0.6",
)  # fmt: skip


class TestPrequential(MeasureChecks):
    measure = Prequential
    overrides = STREAM


class TestAnomalies(MeasureChecks):
    measure = Anomalies
    overrides = (
        "experiment=stream", "seeds=[0]", "arms=[online]", "pipeline=[encoder,sp,tm]",
        "control.persistence=null", "control.seasonal=null", "sp.columns=128",
        "tm.activation_threshold=3", "tm.matching_threshold=2", "tm.new_synapses=4",
        "anomaly.choose=budget", "anomaly.first_rows=450", "anomaly.budget=30",
    )  # fmt: skip


class TestDrift(MeasureChecks):
    measure = Drift
    overrides = (*STREAM, "data.steps=1600", "data.drift_at=800", "data.score=determined")


class TestTaskSequence(MeasureChecks):
    measure = TaskSequence
    overrides = (*SMALL, "epochs=1", "data.tasks={kind: by_class, count: 3}")


class TestHeldOut(MeasureChecks):
    measure = HeldOut


class TestPixelNoise(MeasureChecks):
    measure = PixelNoise
    overrides = NETWORK


class TestNetworkLayers(MeasureChecks):
    measure = NetworkLayers
    overrides = NETWORK


class TestUnitShift(MeasureChecks):
    measure = UnitShift
    overrides = NETWORK


class TestCopies(MeasureChecks):
    measure = Copies
    overrides = (
        "experiment=reward_digits", "seeds=[0]", "epochs=1", "arms=[several]", "curve_points=2",
        "several.layers.sp.columns=20", "noise_images=0", "data.test_fraction=0.3",
    )  # fmt: skip


class TestProbes(MeasureChecks):
    measure = Probes


class TestInside(MeasureChecks):
    measure = Inside


class TestTarget(MeasureChecks):
    measure = Target
    overrides = (*SMALL, "target=0.3")


class TestPace(MeasureChecks):
    measure = Pace


class TestPeakMemory(MeasureChecks):
    measure = PeakMemory


class TestLatency(MeasureChecks):
    measure = Latency
