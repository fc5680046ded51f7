"""What is run: every shipped experiment, small, and settings that none of them uses."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

SEEDS = (3, 5)
COMMON = (f"seeds=[{SEEDS[0]},{SEEDS[1]}]", "workers=1", "threads=1", "curve_points=8")
_DIGITS = ("data.test_fraction=0.8", "epochs=2")
_POOLED_DIGITS = (*_DIGITS, "sp.columns=128")
_SEQUENCES = (
    "encoder.active=8", "tm.cells_per_column=8",
    "tm.activation_threshold=5", "tm.matching_threshold=3", "tm.new_synapses=8",
)  # fmt: skip
_TWO_PASSES = (
    "data.sequences=4", "data.noise_symbols=100", "data.steps=400", "epochs=2", "encoder.size=128",
    *_SEQUENCES,
)  # fmt: skip
_STREAM = (
    "sp.columns=128", "sp.density=0.08", "tm.cells_per_column=4", "tm.activation_threshold=4",
    "tm.matching_threshold=2", "tm.new_synapses=8",
)  # fmt: skip
_CSV = ("data.path={csv}", "data.value=load", "data.missing=previous", *_STREAM)
_NETWORK = ("data.test_fraction=0.95", "epochs=2", "noise_images=5")
_CREDIT = ("data.test_fraction=0.97", "epochs=1", "noise_images=2")
_TASKS = (
    # Networks would be of one machine, and are run in other cases.
    "data.test_fraction=0.9", "sp.columns=64", "arms=[minibatch,epoch_boost,growing,untrained]",
)  # fmt: skip
# Without networks, which would tie them to one machine: tests/training/test_play.py has these.
_ACTING = ("~net", "~arm.net_online", "~arm.net_episode")
_IDX = ("data.path={idx}", "evaluate_every=60")

SHIPPED: dict[str, tuple[str, ...]] = {
    "activations_digits": _CREDIT,
    "anomaly": ("data.rows=2000", *_STREAM, "sp.winners=10"),
    "bandit": ("data.steps=300", "behaviour.babble=100", *_ACTING),
    "cartpole": ("data.steps=400", "behaviour.babble=100", *_ACTING, "~arm.net_10"),
    "cifar10": (
        "data.path={cifar}",
        "sp.columns=256",
        "sp.column_shape=[4,8,8,1]",
        "epochs=2",
        "arms=[online,minibatch,untrained,no_sp]",
    ),
    "classes_digits": _TASKS,
    "credit_digits": _CREDIT,
    "csv": ("data.path={csv}", "data.value=load", *_STREAM),
    "digits": _POOLED_DIGITS,
    "drift": (*_TWO_PASSES, "epochs=1", "data.steps=800", "data.drift_at=400", "target=0.5"),
    "game_digits": ("data.test_fraction=0.8", "epochs=1"),  # its poolers give something
    "heard_digits": _CREDIT,
    "hierarchy_digits": _CREDIT,
    "grid_world": ("data.steps=300", "behaviour.babble=100", *_ACTING),
    "hotgym": (*_CSV, "control.ridge.season=false"),
    "local_mnist": (
        *_IDX,
        "sp.columns=196",
        "sp.column_shape=[4,7,7]",
        "sp.density=0.05",
        "arms=[online,minibatch]",
    ),
    "mnist": (*_IDX, "sp.columns=256"),
    "nab": ("data.rows=480", *_STREAM, "sp.winners=10"),
    "permuted_digits": _TASKS,
    "norms_digits": (
        *_CREDIT,
        "arms=[sgd_batch,rmsprop_layer_online,adam_group_sp,boosted_pooled]",
    ),
    "reber": ("data.steps=600", *_SEQUENCES),
    "reward_digits": _CREDIT,
    "rotated_digits": _TASKS,
    "sequences": _TWO_PASSES,
    "sp_mnist": (*_IDX, "data.train_samples=40", "evaluate_every=20", "noise_images=5"),
    "sparse_digits": _NETWORK,
    "sparse_mnist": (*_IDX, "epochs=2", "noise_images=10", "data.validation_fraction=0.2"),
    "stream": ("data.rows=480", *_STREAM),
    "taxi": (*_CSV, "data.score_from=40", "control.ridge.season=false"),
    "taxi_perturbed": (
        *_CSV,
        "data.score_from=40",
        "data.drift_at=200",
        "data.changes=[{{begins: 200, hours: [0, 12], factor: 1.2}}]",
        "control.ridge.season=false",
    ),
    "topology_digits": (
        *_DIGITS,
        "sp.columns=128",
        "near.columns=128",
        "near.column_shape=[2,8,8]",
        "near.inhibition_radius=2",
    ),
}
"""Overrides by experiment; `{idx}`, `{csv}`, `{cifar}`: data written by `write_data`."""
MORE: dict[str, tuple[str, ...]] = {
    "digits_local": ("experiment=digits", *_DIGITS, "epochs=1", "arms=[online,minibatch]",
                     "sp=local", "sp.boost_strength=2.0", "sp.weak_bump=0.01", "noise_images=20"),
    "digits_torus": ("experiment=digits", *_DIGITS, "epochs=1", "arms=[minibatch]", "sp=local",
                     "sp.columns=2048", "sp.column_shape=[64,32]", "sp.wrap=true",
                     "sp.boost_strength=2.0"),
    "sequences_columns": ("experiment=sequences", *_TWO_PASSES, "classifier=predicted_columns",
                          "data.resets=true", "data.noise=0.05", "data.score=determined",
                          "~classifier.horizons", "~control.no_tm",
                          "tm.punishment=0.01", "tm.segments_per_cell=2",
                          "arms=[online,minibatch_50]"),
    "stream_drift": ("experiment=stream", "data.path={csv}", "data.value=load",
                     "data.timestamp=time", "data.drift_at=200", "data.score_from=40",
                     "data.values=[wind]", "data.reset=begins", "data.missing=previous",
                     "classifier.estimate=median",
                     "encoder.fields.wind={{kind: scalar, size: 60, active: 9, minimum: 0, "
                     "maximum: 10}}", "arms=[online,minibatch,persistence]", *_STREAM),
}  # fmt: skip
"""Whole argument lists of what no shipped experiment has in it."""

UNRECORDED = (
    "bandit", "cartpole", "grid_world",
    "activations_digits", "credit_digits", "game_digits", "heard_digits", "hierarchy_digits",
    "norms_digits", "reward_digits",
)  # fmt: skip
"""Many jobs, whose series are of the kinds that `sparse_digits` and `sp_mnist` have: recording
them would take as long as running them."""

NETWORKS = {
    *UNRECORDED, "sp_mnist", "sparse_digits", "sparse_mnist",
}  # fmt: skip
"""torch repeats a result on the same machine and build only; everything else is equal always."""


def arguments(name: str) -> tuple[str, ...]:
    """Return the overrides of a case, before its data have a place."""
    return (*COMMON, *(MORE[name] if name in MORE else (f"experiment={name}", *SHIPPED[name])))


def _idx(values: np.ndarray) -> bytes:
    """Return bytes in MNIST's format: type, dimensions, lengths, values."""
    header = bytes([0, 0, 0x08, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    return header + values.tobytes()


def write_data(folder: Path) -> dict[str, Path]:
    """Write the images and the series that cases read, the same bytes always; return the paths.

    NumPy promises that `RandomState` never gives other numbers.
    """
    random = np.random.RandomState(7)
    images = folder / "images"
    images.mkdir()
    for part, n in (("train", 120), ("t10k", 30)):
        labels = (np.arange(n) % 4).astype(np.uint8)
        pixels = random.randint(0, 80, (n, 28, 28)).astype(np.uint8)
        for i, label in enumerate(labels.tolist()):
            y, x = 4 + 12 * (label // 2) + random.randint(-2, 3), 4 + 12 * (label % 2)
            pixels[i, y : y + 8, x : x + 8] += 150
        (images / f"{part}-images-idx3-ubyte").write_bytes(_idx(pixels))
        (images / f"{part}-labels-idx1-ubyte").write_bytes(_idx(labels))
    series = folder / "series.csv"
    lines = ["time,load,wind,begins"]
    for hour in range(600):
        load = 40 + (hour % 24 if hour < 200 else 24 - hour % 24) + random.randint(0, 30) / 10
        value = "" if hour in (77, 450) else f"{load:.1f}"
        wind, begins = random.randint(0, 100) / 10, int(hour % 120 == 0)
        lines.append(f"2024-01-{1 + hour // 24:02d} {hour % 24:02d}:00,{value},{wind},{begins}")
    series.write_text("\n".join(lines) + "\n")
    colours = folder / "cifar"
    colours.mkdir()
    for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
        labels = (np.arange(12) % 10).astype(np.uint8)
        planes = random.randint(0, 100, (12, 3, 32, 32)).astype(np.uint8)
        for i, label in enumerate(labels.tolist()):
            planes[i, label % 3, 3 * label : 3 * label + 5] += 150
        records = np.concatenate([labels[:, None], planes.reshape(12, -1)], 1)
        (colours / f"{name}.bin").write_bytes(records.tobytes())
    return {"idx": images, "csv": series, "cifar": colours}
