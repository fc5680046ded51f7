"""Tasks one after the other: what each shows, in which order, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.ndimage
from sklearn.datasets import load_digits

from htmrun.components.sources import open_source
from htmrun.components.sources.digits import DigitsParameters
from htmrun.components.sources.task_views import permuted, rotated
from htmrun.config.compose import load
from htmrun.errors import UserError
from htmrun.testing.sources import joined


def digits(**tasks: Any) -> Any:
    return open_source(DigitsParameters.model_validate({"tasks": tasks}))


@pytest.mark.parametrize("shape", [(8, 8), (5, 9), (4, 7, 3)])
def test_turns_are_those_of_scipy(shape: tuple[int, ...]) -> None:
    images = np.random.RandomState(0).randint(0, 256, (6, *shape)).astype(np.uint8)
    for degrees in (17.0, 45.0, -30.0, 200.5, 359.0, 720.25):
        expected = scipy.ndimage.rotate(
            images.astype(float), degrees, axes=(2, 1), reshape=False, order=1, mode="grid-constant"
        )
        # Places between pixels are rounded to 1/1024, and the result to a whole grey value.
        assert np.abs(rotated(shape, degrees).of(images) - expected).max() < 1.0
    half = rotated(shape, 180.0).of(images)
    np.testing.assert_array_equal(half, images[:, ::-1, ::-1])


def test_quarter_turns_are_exact() -> None:
    images = load_digits().images[:40].astype(np.uint8)
    for turns in range(-3, 5):
        found = rotated((8, 8), 90.0 * turns).of(images)
        np.testing.assert_array_equal(found, np.rot90(images, turns, (1, 2)))


def test_permutations_move_whole_pixels_and_differ() -> None:
    image = np.arange(24, dtype=np.uint8).reshape(1, 4, 2, 3)
    seen = [permuted((4, 2, 3), seed, task).of(image) for seed in (0, 1) for task in (1, 2)]
    for one in seen:
        pixels = one.reshape(8, 3)
        np.testing.assert_array_equal(pixels[pixels[:, 0].argsort()], image.reshape(8, 3))
    assert len({one.tobytes() for one in seen}) == 4
    np.testing.assert_array_equal(permuted((4, 2, 3), 1, 0).of(image), image)


def test_every_task_has_all_images_as_it_shows_them_and_then_the_next_begins() -> None:
    plain = open_source(DigitsParameters())
    source = digits(kind="rotated", count=3, passes=2, degrees=90.0)
    images = joined(plain.train(0, 0, 1 << 30))["fields.image"]
    n = len(images)
    assert source.samples == 6 * n
    assert source.pass_ends == tuple(n * k for k in range(1, 7))
    assert source.task_ends == (2 * n, 4 * n, 6 * n)
    stream = joined(source.train(0, 0, 100))
    wanted = [np.rot90(images, turns, (1, 2)) for turns in range(3)]
    orders = set()
    for number in range(6):
        part = stream["fields.image"][n * number : n * (number + 1)]
        assert sorted(map(bytes, part)) == sorted(map(bytes, wanted[number // 2].copy()))
        orders.add(stream["target"][n * number : n * (number + 1)].tobytes())
    assert len(orders) == 6, "every pass has an order of its own"


def test_held_out_samples_are_of_all_tasks_from_the_first_few_on() -> None:
    plain = joined(open_source(DigitsParameters()).test(1 << 30) or ())
    source = digits(kind="rotated", count=4, degrees=90.0)
    every = joined(source.test(100))
    for task in range(4):
        turned = np.rot90(plain["fields.image"], task, (1, 2))
        own = joined(source.test_of(task, 100))
        np.testing.assert_array_equal(own["fields.image"], turned)
        np.testing.assert_array_equal(own["target"], plain["target"])
        np.testing.assert_array_equal(every["fields.image"][task::4], turned)
        np.testing.assert_array_equal(every["target"][task::4], plain["target"])


def test_classes_are_dealt_out_and_do_not_come_again() -> None:
    source = digits(kind="by_class", count=4)
    assert [group.tolist() for group in source.groups] == [[0, 1, 2], [3, 4, 5], [6, 7], [8, 9]]
    target = joined(source.train(0, 0, 100))["target"]
    for group, begin, end in zip(source.groups, (0, *source.task_ends), source.task_ends,
                                 strict=False):  # fmt: skip
        assert set(target[begin:end]) == set(group)
    assert len(target) == source.samples == len(source.whole.split[0])
    assert [set(joined(source.test_of(t, 50))["target"]) for t in range(4)] == [
        {0, 1, 2}, {3, 4, 5}, {6, 7}, {8, 9}
    ]  # fmt: skip
    mixed = digits(kind="by_class", count=4, order="random", seed=3)
    assert sorted(np.concatenate(mixed.groups)) == list(range(10))
    assert [g.tolist() for g in mixed.groups] != [g.tolist() for g in source.groups]


def test_data_are_others_with_other_tasks() -> None:
    made: list[dict[str, Any]] = [
        {"kind": "rotated"}, {"kind": "rotated", "degrees": 10.0}, {"kind": "rotated", "count": 3},
        {"kind": "permuted"}, {"kind": "permuted", "seed": 1}, {"kind": "by_class"},
    ]  # fmt: skip
    prints = {digits(**tasks).fingerprint for tasks in made}
    assert len(prints | {open_source(DigitsParameters()).fingerprint}) == 7


def test_images_are_moved_before_a_task_shows_them() -> None:
    def learned(**settings: Any) -> np.ndarray:
        made = open_source(DigitsParameters.model_validate(settings))
        return joined(made.train(2, 0, 100))["fields.image"]

    plain, turned = learned(shift=2), learned(shift=2, tasks={"kind": "rotated", "degrees": 90.0})
    np.testing.assert_array_equal(turned[: len(plain)], plain)
    assert not np.array_equal(turned[: len(plain)], learned())
    # The second task has the same images, moved by other ways, turned.
    back = np.rot90(turned[len(plain) : 2 * len(plain)], -1, (1, 2))
    assert {bytes(image) for image in back.copy()} != {bytes(image) for image in plain}


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (["data.tasks={kind: rotatd}"], "data.tasks.kind: found 'rotatd', expected one of "
         "by_class, permuted, rotated; did you mean 'rotated'?"),
        (["data.tasks={kind: permuted, degrees: 5}"], "data.tasks.degrees: found 5, a field of "
         "kind rotated, not of permuted; ~data.tasks.degrees drops it"),
        (["data.tasks=5"], "data.tasks: found 5, expected a section with kind: one of by_class, "
         "permuted, rotated"),
        (["data.tasks={kind: rotated, count: 1}"], "data.tasks.count: found 1, expected an integer "
         "2 to 1000"),
        (["data.tasks={kind: rotated}"], "epochs: found 3 with data.tasks, expected 1 "
         "(data.tasks.passes repeats the samples of each task)"),
        (["data.tasks={kind: rotated}", "epochs=1", "epoch_length=200"], "epoch_length: found 200 "
         "with data.tasks, expected null (an epoch is a pass over the samples of a task)"),
        (["data.tasks={kind: rotated}", "epochs=1", "data.held_out=best_epoch"], "data.held_out: "
         "found best_epoch with data.tasks, expected test or validation (no state is best for all "
         "tasks before the last)"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_line(overrides: list[str], line: str) -> None:
    with pytest.raises(UserError) as caught:
        load(["experiment=digits", *overrides])
    assert str(caught.value) == line


def test_more_tasks_than_classes_are_refused() -> None:
    with pytest.raises(UserError) as caught:
        _ = digits(kind="by_class", count=11).pass_ends
    assert str(caught.value) == (
        "data.tasks.count: found 11, expected at most the 10 classes of digits"
    )
