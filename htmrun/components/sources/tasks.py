"""Several tasks one after the other, made of one set of labelled images."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import cached_property, partial
from itertools import accumulate
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from htmrun.backends import rng
from htmrun.backends.parameters import Parameters
from htmrun.components import registry
from htmrun.components.registry import register
from htmrun.components.sources import Chunk, Ranges, Shapes, Source
from htmrun.components.sources.shifting import moved, offsets
from htmrun.components.sources.task_views import Images, View, permuted, rotated
from htmrun.errors import UserError

if TYPE_CHECKING:
    from htmrun.components.sources.images import SplitImages

Members = npt.NDArray[np.int64]


class TasksParameters(Parameters):
    """What a user can set on every sequence of tasks."""

    count: int = Field(5, ge=2, le=1000, description="Tasks, one after the other.")
    passes: int = Field(
        1, ge=1, le=1 << 20, description="Passes over the images of a task before the next begins."
    )


class TaskKind:
    """What tasks are: all images as each task shows them, unless each has classes of its own."""

    groups_classes: ClassVar[bool] = False
    """Whether a task has the images of some classes only."""

    def __init__(self, parameters: Any) -> None:
        self.parameters = parameters

    def views(self, shape: Sequence[int]) -> list[View]:
        """Return how each task shows images (H, W, ...)."""
        return [View()] * self.parameters.count

    def groups(self, classes: int) -> list[Members]:
        """Return the classes of each task."""
        return [np.arange(classes)] * self.parameters.count


class RotatedParameters(TasksParameters):
    """The same images turned further in each task."""

    kind: Literal["rotated"] = "rotated"
    degrees: float = Field(
        45.0, ge=-360.0, le=360.0,
        description="Each task is turned counter-clockwise by so much more than the one before; "
        "the first is as it is.",
    )  # fmt: skip


@register("tasks", RotatedParameters)
class Rotated(TaskKind):
    """Task i is turned by i times the angle."""

    def views(self, shape: Sequence[int]) -> list[View]:
        """Return the rotations."""
        p = self.parameters
        return [rotated(shape, p.degrees * number) for number in range(p.count)]


class PermutedParameters(TasksParameters):
    """The same images with their pixels in another order in each task."""

    kind: Literal["permuted"] = "permuted"
    seed: int = Field(
        0, ge=0, lt=1 << 63,
        description="Chooses the orders, the same for all seeds of a run; the first task has the "
        "images as they are.",
    )  # fmt: skip


@register("tasks", PermutedParameters)
class Permuted(TaskKind):
    """Each task but the first has a random permutation of its own."""

    def views(self, shape: Sequence[int]) -> list[View]:
        """Return the permutations."""
        p = self.parameters
        return [permuted(shape, p.seed, number) for number in range(p.count)]


class ByClassParameters(TasksParameters):
    """A few classes in each task, which do not come again."""

    kind: Literal["by_class"] = "by_class"
    order: Literal["numbers", "random"] = Field(
        "numbers", description="Classes come by their numbers, or in an order that `seed` chooses."
    )
    seed: int = Field(0, ge=0, lt=1 << 63, description="Chooses the random order.")


@register("tasks", ByClassParameters)
class ByClass(TaskKind):
    """Classes are dealt out as evenly as can be; the first tasks have one more."""

    groups_classes = True

    def groups(self, classes: int) -> list[Members]:
        """Return the classes of each task."""
        p, order = self.parameters, np.arange(classes)
        if p.order == "random":
            order = rng.permutation(p.seed, rng.Purpose.TASK, 0, classes)
        return np.array_split(order, p.count)


class TaskStream(Source):
    """Tasks in one stream: all training samples of the first, then of the second, and so on.

    A sample does not tell its task, and labels mean the same in all. Held-out samples are of all
    tasks, of each image as every task shows it.
    """

    task = "classification"
    fields = ("image",)
    name: str
    ranges: ClassVar[Ranges] = {}

    def __init__(self, whole: SplitImages, tasks: Any) -> None:
        """`whole`: all images, `tasks`: what is made of them."""
        self.parameters, self.whole, self.tasks = whole.parameters, whole, tasks
        self.kind: TaskKind = registry.component_of(tasks)(tasks)
        self.name, self.white = whole.name, whole.white

    @property
    def shapes(self) -> Shapes:
        """Those of the images."""
        return self.whole.shapes

    @property
    def classes(self) -> int:
        """Number of classes of all tasks together."""
        return self.whole.classes

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, in the order of their numbers."""
        return self.whole.class_names

    @cached_property
    def samples(self) -> int:
        """Training images of all tasks, as often as they come."""
        tasks = 1 if self.kind.groups_classes else self.tasks.count
        return (self.whole.samples or 0) * tasks * int(self.tasks.passes)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is said of the images, and how long the tasks are."""
        lengths = np.diff([0, *self.task_ends])
        span = f"{lengths.min()} to {lengths.max()}" if np.ptp(lengths) else f"{lengths[0]}"
        tasks = f"{len(lengths)} tasks ({registry.of(self.tasks).name}) of {span} samples each"
        return (*self.whole.notes, f"data.tasks: {tasks}, one after the other")

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the images and of what is made of them."""
        made = self.whole.fingerprint + self.tasks.model_dump_json()
        return hashlib.sha256(made.encode()).hexdigest()

    @cached_property
    def pass_ends(self) -> tuple[int, ...]:
        """Samples after which each pass over the images of a task ends."""
        count, passes = self.tasks.count, self.tasks.passes
        if self.kind.groups_classes:
            lengths = [len(members) for members in self._members[0]]
        else:
            lengths = [self.whole.samples or 0] * count
        return tuple(accumulate(length for length in lengths for _ in range(passes)))

    @property
    def task_ends(self) -> tuple[int, ...]:
        """Samples after which each task ends."""
        passes = self.tasks.passes
        return self.pass_ends[passes - 1 :: passes]

    @cached_property
    def groups(self) -> list[Members]:
        """Classes of each task; UserError where there are more tasks than classes to deal out."""
        if self.kind.groups_classes and self.tasks.count > self.classes:
            raise UserError(
                f"data.tasks.count: found {self.tasks.count}, expected at most the {self.classes} "
                f"classes of {self.name}"
            )
        return self.kind.groups(self.classes)

    @cached_property
    def _members(self) -> tuple[list[Members], list[Members]]:
        """Numbers of each task's training and held-out images; UserError for a task without."""
        found: list[list[Members]] = []
        for part, what in zip(self.whole.split, ("training", "held-out"), strict=True):
            members = [np.flatnonzero(np.isin(part.labels, group)) for group in self.groups]
            empty = [number for number, some in enumerate(members) if not len(some)]
            if empty:
                raise UserError(
                    f"data.tasks: found no {what} images of task {empty[0] + 1}, expected some"
                )
            found.append(members)
        return found[0], found[1]

    @cached_property
    def _views(self) -> list[View]:
        return self.kind.views(self.shapes["image"])

    def train(self, seed: int, epoch: int, chunk: int) -> Iterator[Chunk]:
        """Yield all tasks' training images, shuffled for (seed, epoch, task, pass)."""
        passes, part = self.tasks.passes, self.whole.split[0]
        for task, members in enumerate(self._members[0]):
            for number in range(passes):
                stream = (epoch * self.tasks.count + task) * passes + number
                order = rng.permutation(seed, rng.Purpose.SHUFFLE, stream, len(members))
                shown = partial(self._learned, task, seed, stream)
                yield from part.chunks(members[order], chunk, shown)

    def test_of(self, task: int, chunk: int) -> Iterator[Chunk]:
        """Yield the held-out images of one task, counted from 0, as stored."""
        part, view = self.whole.split[1], self._views[task]
        return part.chunks(self._members[1][task], chunk, lambda images, places: view.of(images))

    def test(self, chunk: int) -> Iterator[Chunk]:
        """Yield the held-out images as stored, each as all its tasks show it."""
        held = self.whole.split[1]
        if self.kind.groups_classes:
            yield from held.in_order(chunk)
            return
        count = self.tasks.count
        for start in range(0, len(held) * count, chunk):
            numbers = np.arange(start, min(start + chunk, len(held) * count))
            # Image by image, so that the first few samples are of all tasks.
            image, task = numbers // count, numbers % count
            yield from held.chunks(image, chunk, partial(self._of_tasks, task))

    def _learned(
        self, task: int, seed: int, stream: int, images: Images, places: Members
    ) -> Images:
        """Return training images, moved where that is asked for, as a task shows them."""
        shift = self.parameters.shift
        if shift:
            images = moved(images, offsets(seed, stream, places, shift), shift)
        return self._views[task].of(images)

    def _of_tasks(self, task: Members, images: Images, places: Members) -> Images:
        """Return images (N, ...), each as its task (N,) shows it."""
        shown = images.copy()
        for one, view in enumerate(self._views):
            shown[task == one] = view.of(images[task == one])
        return shown
