"""The regimes in pictures: drawn from htmrun's own schedules and a spatial pooler that runs.

`python -m site_pages.pictures` (in docs/hooks) writes them to docs/images.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from htmrun import Bits, Cursor, Growth, Plan, Schedule, SpatialPoolerParameters, load_backend
from site_pages.drawing import Drawing

IMAGES = Path(__file__).parents[2] / "images"
TIMELINE, EPOCH = 24, 12
ARMS = {
    "online": Schedule(1, "commit"),
    "minibatch": Schedule(5, "commit"),
    "epoch_boost": Schedule(1, "epoch"),
    "growing": Schedule(Growth(1, 2.0, 8), "commit"),
}
SAID = {
    "online": "learn and boost after each sample",
    "minibatch": "learn_every=5: collect, then learn and boost",
    "epoch_boost": "learn after each sample, boost between epochs",
    "growing": "windows of 1, 2, 4, 8 samples, then 8",
}


def plan_of(schedule: Schedule, samples: int, epoch: int) -> Plan:
    """Return the flags of `samples` samples in epochs of `epoch`."""
    ends = np.zeros(samples, np.uint8)
    ends[epoch - 1 :: epoch] = 1
    return schedule.plan(Cursor(), np.zeros(samples, np.uint8), ends)[0]


def timeline() -> Drawing:
    """Draw two epochs of 12 samples: windows, commits, boosts of four arms."""
    picture = Drawing(
        880, 330, "When each regime learns",
        "Two epochs of twelve samples. online commits and boosts after each; minibatch after five; "
        "epoch_boost commits after each and boosts at the end of an epoch; growing windows hold 1, "
        "2, 4 and 8 samples. At the end of an epoch every window is committed.",
    )  # fmt: skip
    left, step, top = 130.0, 30.0, 62.0
    for sample in range(TIMELINE):
        x = left + (sample + 0.5) * step
        picture.write(x, 34, str(sample % EPOCH + 1), "quiet", 12, "middle")
    picture.write(left - 12, 34, "sample", "quiet", 12, "end")
    for end in (EPOCH, TIMELINE):
        x = left + end * step
        picture.line([(x, 18), (x, top + 4 * 58 - 14)], "faint", 1.5)
        picture.write(x - 4, 14, "end of the epoch", "quiet", 11, "end")
    for row, (arm, schedule) in enumerate(ARMS.items()):
        _row(picture, arm, plan_of(schedule, TIMELINE, EPOCH), left, step, top + 58 * row)
    y = 314
    picture.bar(left, y - 12, 26, 16, "quiet")
    picture.write(left + 34, y, "a window: scored, not yet learned", "quiet", 12)
    picture.dot(left + 262, y - 4, 4, "quiet")
    picture.write(left + 274, y, "commit: learning is applied", "quiet", 12)
    picture.dot(left + 462, y - 4, 8, "quiet", filled=False)
    picture.write(left + 476, y, "boost factors are recomputed", "quiet", 12)
    return picture


def _row(picture: Drawing, arm: str, plan: Plan, left: float, step: float, y: float) -> None:
    picture.write(left - 12, y + 16, arm, arm, 14, "end", bold=True)
    picture.write(left, y + 42, SAID[arm], "quiet", 12)
    start = 0
    for sample in range(TIMELINE):
        if plan.commit[sample]:
            width = (sample + 1 - start) * step
            picture.bar(left + start * step + 2, y, width - 4, 24, arm)
            picture.dot(left + (sample + 1) * step - 15, y + 12, 4, arm)
            start = sample + 1
        if plan.boost[sample]:
            picture.dot(left + (sample + 1) * step - 15, y + 12, 8, arm, filled=False)


SAMPLES, INPUTS, PASS = 120, 64, 40


def observed() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return by arm, after each sample, a synapse's permanence and a column's boost factor.

    A pooler of 32 columns runs over 120 random patterns in epochs of 40. The synapse is the one
    that changes most often online, the column the one whose boost factor reaches furthest.
    """
    patterns = np.random.default_rng(3).random((8, INPUTS)) < 0.2
    order = np.random.default_rng(4).integers(0, 8, SAMPLES)
    bits = Bits.from_dense(patterns[order])
    parameters = SpatialPoolerParameters(
        columns=32, density=0.1, boost_strength=3.0, duty_period=40, increment=0.03, decrement=0.02
    )
    states = {}
    for arm, schedule in {**ARMS, "minibatch": Schedule(10)}.items():
        plan = plan_of(schedule, SAMPLES, PASS)
        pooler = load_backend("reference").SpatialPooler(parameters, (INPUTS,), seed=1)
        kept = []
        for sample in range(SAMPLES):
            pooler.run(bits.slice(sample, sample + 1), plan.slice(sample, sample + 1))
            state = pooler.state()
            kept.append((state["permanences"].ravel() / 10000.0, state["boost"]))
        states[arm] = tuple(np.stack(part) for part in zip(*kept, strict=True))
    online = states["online"]
    synapse = int(np.count_nonzero(np.diff(online[0], axis=0), axis=0).argmax())
    column = int(np.ptp(online[1], axis=0).argmax())
    return {arm: (p[:, synapse], b[:, column]) for arm, (p, b) in states.items()}


def curves() -> Drawing:
    """Draw how one permanence and one boost factor move in each arm."""
    picture = Drawing(
        880, 400, "What moves when",
        "A permanence and a boost factor of a small spatial pooler over 120 samples in three "
        "epochs. Online both move at each sample; with a window of ten in steps of ten samples; "
        "with epoch boosting the boost factor moves at the end of each epoch only.",
    )  # fmt: skip
    seen = observed()
    arms = ("online", "minibatch", "epoch_boost")
    for place, title in enumerate(("permanence of one synapse", "boost factor of one column")):
        _panel(picture, 60 + 420 * place, title, {arm: seen[arm][place] for arm in arms})
    for place, text in enumerate(("online", "minibatch, 10 samples", "epoch_boost")):
        x = 150 + 220 * place
        picture.line([(x, 384), (x + 28, 384)], arms[place], 3)
        picture.write(x + 36, 389, text, "ink", 13)
    return picture


def _panel(picture: Drawing, left: int, title: str, lines: dict[str, np.ndarray]) -> None:
    top, width, height = 46, 380, 270
    low, high = (f(v.min() if f is min else v.max() for v in lines.values()) for f in (min, max))
    low, high = (float(low) - 0.05 * float(high - low), float(high) + 0.05 * float(high - low))
    picture.write(left, 28, title, "ink", 14, bold=True)
    for end in range(0, SAMPLES + 1, PASS):
        x = left + width * end / SAMPLES
        picture.line([(x, top), (x, top + height)], "faint", 1)
        picture.write(x, top + height + 18, str(end), "quiet", 12, "middle")
    for value in np.linspace(low, high, 4):
        y = top + height * (high - value) / (high - low)
        picture.write(left - 6, y + 4, f"{value:.2f}", "quiet", 11, "end")
    picture.write(left + width / 2, top + height + 36, "samples; lines: epochs", "quiet", 12,
                  "middle")  # fmt: skip
    for arm, values in lines.items():
        heights = top + height * (high - values) / (high - low)
        points = []
        for sample, y in enumerate(heights):
            points += [(left + width * (sample + at) / SAMPLES, float(y)) for at in (0, 1)]
        picture.line(points, arm, 2.2 if arm != "online" else 1.6)


def one_sample() -> Drawing:
    """Draw the way of one sample: predict, score, remember; at the end of a window commit."""
    picture = Drawing(
        880, 250, "The way of one sample",
        "Each sample is predicted, scored and remembered. If the window is full, what was "
        "remembered is learned at once; then comes the next sample.",
    )  # fmt: skip
    boxes = {
        "predict": ("state of the last", "commit, unchanged"),
        "score": ("before it is learned:", "test, then train"),
        "remember": ("events go into", "the window"),
        "commit": ("the window is applied,", "boosts as boost_at says"),
    }
    width, gap, top = 176, 46, 40
    for place, (name, lines) in enumerate(boxes.items()):
        x, colour = 20 + place * (width + gap), "minibatch" if name == "commit" else "online"
        picture.box(x, top, width, 92, colour)
        picture.write(x + width / 2, top + 30, name, colour, 16, "middle", bold=True)
        for row, line in enumerate(lines):
            picture.write(x + width / 2, top + 56 + 20 * row, line, "ink", 13, "middle")
        if place < 3:
            picture.arrow([(x + width + 4, top + 46), (x + width + gap - 4, top + 46)])
    last, third = 20 + 3 * (width + gap), 20 + 2 * (width + gap)
    picture.write(last - gap / 2, top - 14, "window full", "quiet", 12, "middle")
    for x, y in ((third + width / 2, 178), (last + width / 2, 214)):
        picture.arrow([(x, top + 96), (x, y), (20 + width / 2 + (y > 200) * 24, y),
                       (20 + width / 2 + (y > 200) * 24, top + 96)])  # fmt: skip
    picture.write(third + width / 2 - 10, 170, "not full: the next sample", "quiet", 12, "end")
    picture.write(last + width / 2 - 10, 206, "a new window, the next sample", "quiet", 12, "end")
    return picture


DRAWN = {
    "regimes-timeline.svg": timeline,
    "regimes-sample.svg": one_sample,
    "regimes-curves.svg": curves,
}

if __name__ == "__main__":
    for file, draw in DRAWN.items():
        (IMAGES / file).write_text(draw().text(), encoding="utf-8")
