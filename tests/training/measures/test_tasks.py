"""Figures of tasks one after the other: worked by hand, and once more from a run in plain steps."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from sklearn.metrics import accuracy_score

from htmrun.components.sources import Chunk, open_source
from htmrun.config.compose import load
from htmrun.execution.jobs import Builder, jobs_of, schedule_of
from htmrun.testing.measures import finish
from htmrun.training.measures.tasks import (
    AROUND,
    MATRIX,
    OFFSET,
    around_changes,
    change_metrics,
    matrix_metrics,
)
from htmrun.training.schedule import Cursor

SMALL = (
    "experiment=digits", "epochs=1", "sp.columns=64", "seeds=[3]", "arms=[minibatch]",
    "curve_points=3", "evaluate_every=500", "data.test_fraction=0.7",
    "data.tasks={kind: rotated, count: 3, degrees: 90.0}",
)  # fmt: skip


def test_figures_by_hand() -> None:
    # Rows: untrained, after task 1, 2, 3.
    r = np.array([[0.1, 0.2, 0.3], [0.9, 0.4, 0.5], [0.6, 0.8, 0.7], [0.5, 0.7, 1.0]])
    assert matrix_metrics(r) == pytest.approx({
        "average_accuracy": (0.5 + 0.7 + 1.0) / 3,
        "learning_accuracy": (0.9 + 0.8 + 1.0) / 3,
        # Best before the last task: .9 of the first, .8 of the second.
        "forgetting": ((0.9 - 0.5) + (0.8 - 0.7)) / 2,
        "backward_transfer": ((0.5 - 0.9) + (0.7 - 0.8)) / 2,
        # Right before it is learned, over the untrained model: .4 - .2 and .7 - .3.
        "forward_transfer": (0.2 + 0.4) / 2,
    })  # fmt: skip


def test_forgetting_is_from_the_best_level_and_not_from_the_first() -> None:
    # The first task is at its best after the second: Chaudhry's forgetting is more than -BWT.
    r = np.array([[0.0] * 3, [0.5, 0, 0], [0.9, 0.5, 0], [0.6, 0.5, 0.5]])
    found = matrix_metrics(r)
    assert found["forgetting"] == pytest.approx((0.9 - 0.6) / 2)
    assert found["backward_transfer"] == pytest.approx(0.1 / 2)


def test_figures_are_those_of_the_papers_sums() -> None:
    random = np.random.RandomState(1)
    for tasks in (2, 3, 7):
        r = random.rand(tasks + 1, tasks)
        # Indices as they are printed: R[i][j] after task i from 1 on, b the untrained model's.
        R = {(i, j): r[i, j - 1] for i in range(tasks + 1) for j in range(1, tasks + 1)}
        T = tasks
        found = matrix_metrics(r)
        assert found["average_accuracy"] == pytest.approx(sum(R[T, i] for i in range(1, T + 1)) / T)
        bwt = sum(R[T, i] - R[i, i] for i in range(1, T)) / (T - 1)
        fwt = sum(R[i - 1, i] - R[0, i] for i in range(2, T + 1)) / (T - 1)
        forgetting = sum(max(R[k, j] for k in range(1, T)) - R[T, j] for j in range(1, T)) / (T - 1)
        assert found["backward_transfer"] == pytest.approx(bwt)
        assert found["forward_transfer"] == pytest.approx(fwt)
        assert found["forgetting"] == pytest.approx(forgetting)


def losses(*stretches: tuple[int, float]) -> np.ndarray:
    return np.concatenate([np.full(n, value, np.float32) for n, value in stretches])


def test_changes_by_hand() -> None:
    # After the first change 150 wrong in a row: 95 of 100 are right with the window that begins
    # at 145 and ends at 245. After the second it is wrong to the end of its 300 samples.
    wrong = losses((400, 0), (150, 1), (250, 0), (300, 1))
    assert change_metrics(wrong, (400, 800, 1100)) == {
        "change/before": 1.0, "change/after": 0.0, "change/recovered": 0.5,
        "change/recovery_samples": (245 + 300) / 2,
    }  # fmt: skip
    # What comes after a task does not count for its recovery.
    late = losses((400, 0), (150, 1), (50, 0), (400, 0))
    assert change_metrics(late, (400, 600, 1000)) == {
        "change/before": (1.0 + 0.5) / 2, "change/after": 0.5, "change/recovered": 0.5,
        "change/recovery_samples": (200 + 100) / 2,
    }  # fmt: skip
    assert change_metrics(losses((400, 0), (99, 0)), (400, 499)) == {}


def test_answers_around_changes_by_hand() -> None:
    wrong = losses((90, 0), (40, 1), (60, 0), (100, 1))
    found = around_changes(wrong, (90, 190, 290))
    # The shortest task has 90 samples, four bins of 20.
    np.testing.assert_array_equal(found[OFFSET], np.arange(-80, 80, 20))
    expected = np.mean([[1, 1, 1, 1, 0, 0, 1, 1], [0.5, 1, 1, 1, 0, 0, 0, 0]], axis=0)
    # The second change is at 190: from 110 on, the first 20 of which are wrong.
    expected[0] = (1 + 0) / 2
    np.testing.assert_allclose(found[AROUND], expected)


def test_the_matrix_is_that_of_a_run_in_plain_steps() -> None:
    experiment = load(list(SMALL)).experiment
    builder = Builder(experiment, open_source(experiment.data))
    source, (job,) = builder.source, jobs_of(experiment)
    arm = experiment.arm["minibatch"]
    pipeline, schedule, cursor = builder.pipeline(arm, job.seed), schedule_of(arm), Cursor()

    def row() -> list[float]:
        found = []
        for task in range(3):
            (chunk,) = source.test_of(task, 1 << 30)
            guess = pipeline.compute(chunk).scores[0].probability.argmax(1)
            found.append(float(accuracy_score(chunk.target, guess)))
        return found

    expected, n = [row()], source.task_ends[0]
    for task, chunk in enumerate(source.train(job.seed, 0, n)):
        assert len(chunk) == n
        ends = np.zeros(n, np.uint8)
        ends[-1] = 1  # A window ends with its task.
        plan, cursor = schedule.plan(cursor, chunk.reset, ends)
        pipeline.run(chunk, plan)
        expected.append(row())
        assert task < 3
    finished = finish(builder)
    np.testing.assert_array_equal(finished.series[MATRIX], expected)
    assert finished.state_hash == pipeline.state_hash()
    assert finished.metrics["accuracy"] == pytest.approx(finished.metrics["average_accuracy"])


def test_boosts_between_tasks_are_at_their_ends() -> None:
    """Boosting at the ends of epochs is boosting at the ends of passes over tasks."""
    tasks = "data.tasks={kind: by_class, count: 3, passes: 2}"
    experiment = load([*SMALL[:-1], tasks, "arms=[epoch_boost]"]).experiment
    builder = Builder(experiment, open_source(experiment.data))
    job, arm = jobs_of(experiment)[0], experiment.arm["epoch_boost"]
    pipeline, cursor = builder.pipeline(arm, job.seed), Cursor()
    chunk = _joined(builder.source.train(job.seed, 0, 100))
    ends = np.zeros(len(chunk), np.uint8)
    ends[np.array(builder.source.pass_ends) - 1] = 1
    assert ends.sum() == 6
    plan, _ = schedule_of(arm).plan(cursor, chunk.reset, ends)
    pipeline.run(chunk, plan)
    assert finish(builder).state_hash == pipeline.state_hash()


def _joined(chunks: Iterator[Chunk]) -> Chunk:
    parts = list(chunks)
    return Chunk(
        {"image": np.concatenate([c.fields["image"] for c in parts])},
        *(np.concatenate([getattr(c, n) for c in parts]) for n in ("target", "reset", "scored")),
    )
