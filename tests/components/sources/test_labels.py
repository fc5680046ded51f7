"""Labels of any name, shares of each class, and NumPy archives that can be read in one way only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from htmrun.components.sources import open_source
from htmrun.components.sources.cifar10 import Cifar10Parameters
from htmrun.components.sources.folder import FolderParameters
from htmrun.components.sources.idx import IdxParameters
from htmrun.components.sources.images import share_of_each
from htmrun.components.sources.npz import NpzParameters
from htmrun.errors import UserError
from tests.components.sources.test_image_files import archive, cifar, folders
from tests.components.sources.test_images import joined
from tests.components.sources.test_validation import write_idx
from tests.helpers.experiments import results, train

RANDOM = np.random.default_rng(5)
IMAGES = RANDOM.integers(0, 200, (69, 8, 8)).astype(np.uint8)
LABELS = np.arange(69) % 3
for i in range(69):
    IMAGES[i, 2 * LABELS[i] : 2 * LABELS[i] + 2] = 250


def written(path: Path, labels: Any = LABELS, images: Any = IMAGES) -> NpzParameters:
    labels = np.asarray(labels)
    np.savez(path, x_train=images[:60], y_train=labels[:60], x_test=images[60:],
             y_test=labels[60:])  # fmt: skip
    return NpzParameters(path=str(path))


NAMED: dict[str, tuple[Any, tuple[str, ...]]] = {
    "from one": (LABELS + 1, ("1", "2", "3")),
    "with holes": (np.array([4, 90, 700])[LABELS], ("4", "90", "700")),
    "negative": ((LABELS - 1).astype(np.int8), ("-1", "0", "1")),
    "beyond bytes": (np.array([3, 1 << 33, 1 << 40])[LABELS].astype(np.uint64),
                     ("3", str(1 << 33), str(1 << 40))),
    "texts": (np.array(["ant", "bee", "cow"])[LABELS], ("ant", "bee", "cow")),
    "bytes": (np.array([b"ant", b"bee", b"cow"])[LABELS], ("ant", "bee", "cow")),
    "texts of numbers": (np.array(["8", "9", "10"])[LABELS], ("8", "9", "10")),
    "floats": (LABELS + 1.0, ("1", "2", "3")),
    "a column": (LABELS[:, None] + 5, ("5", "6", "7")),
}  # fmt: skip


@pytest.mark.parametrize("name", NAMED)
def test_labels_are_names(tmp_path: Path, name: str) -> None:
    labels, names = NAMED[name]
    source = open_source(written(tmp_path / "a.npz", labels))
    plain = open_source(written(tmp_path / "b.npz"))
    assert (source.classes, source.class_names, source.notes) == (3, names, ())
    assert source.fingerprint == plain.fingerprint


def test_names_of_classes_change_no_figure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def figures(path: str) -> Any:
        given = ("data=npz", f"data.path={path}", "sp.columns=64", "arms=[online]", "workers=1")
        summary, _ = train(capsys, "experiment=mnist", *given, "tracking=none", "curve_points=2")
        return results(summary)

    written(tmp_path / "a.npz")
    written(tmp_path / "b.npz", np.array([-7, 3, 90])[LABELS])
    first = figures(str(tmp_path / "a.npz"))
    assert figures(str(tmp_path / "b.npz")) == first
    assert {"nll", "accuracy", "macro_f1"} <= set(first["online"])


def test_labels_of_idx_files_are_names_too(tmp_path: Path) -> None:
    for part, count in (("train", 40), ("t10k", 20)):
        write_idx(tmp_path / f"{part}-images-idx3-ubyte.gz", np.zeros((count, 3, 3), np.uint8))
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte.gz", 1 + 2 * (np.arange(count) % 4))
    source = open_source(IdxParameters(path=str(tmp_path)))
    assert source.class_names == ("1", "3", "5", "7")
    assert sorted(set(joined(source.test(9))[1])) == [0, 1, 2, 3]


def test_a_class_in_test_only_counts_and_is_named(tmp_path: Path) -> None:
    labels = np.where(np.arange(69) > 66, 12, LABELS + 1)
    source = open_source(written(tmp_path / "a.npz", labels))
    assert source.class_names == ("1", "2", "3", "12")
    [note] = source.notes
    assert note == f"{tmp_path / 'a.npz'}: class '12' is in test only, where it counts"


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (LABELS + 0.5, "y_train are float64, expected integers or texts"),
        (np.eye(3)[LABELS], r"labels beside x_train are of shape \(60, 3\), expected one for each"),
        (LABELS[:68], r"labels beside x_test are of shape \(8,\), expected one for each of 9"),
        (LABELS + 1j, "y_train are complex128"),
    ],
)
def test_labels_that_are_none_are_refused(tmp_path: Path, labels: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        assert open_source(written(tmp_path / "a.npz", labels)).samples


SAME_PIXELS: dict[str, tuple[Any, str]] = {
    "int64": (IMAGES.astype(np.int64), ""),
    "shares, float32": (IMAGES / np.float32(255), "fractions from 0 to 1, read as shares of white"),
    "shares, float64": (IMAGES / 255.0, "read as shares of white"),
    "float32": (IMAGES.astype(np.float32), "fractions from 0 to 255, read as 0 to 255"),
    "one channel last": (IMAGES[..., None], ""),
    "one channel first": (IMAGES[:, None], ""),
}


@pytest.mark.parametrize("name", SAME_PIXELS)
def test_the_same_images_give_the_same_bytes(tmp_path: Path, name: str) -> None:
    images = IMAGES.copy()
    images[0, 0, :2] = 0, 255
    given, note = SAME_PIXELS[name]
    given = given.copy()
    given.reshape(-1)[:2] = (0, 1) if "shares" in name else (0, 255)
    source = open_source(written(tmp_path / "a.npz", images=given))
    plain = open_source(written(tmp_path / "b.npz", images=images))
    assert source.fingerprint == plain.fingerprint
    assert len(source.notes) == bool(note)
    assert note in "".join(source.notes)


def test_black_and_white_arrays(tmp_path: Path) -> None:
    source = open_source(written(tmp_path / "a.npz", images=IMAGES > 99))
    assert sorted(set(joined(source.test(99))[0].ravel())) == [0, 255]


def test_channels_first_are_channels_last(tmp_path: Path) -> None:
    colours = RANDOM.integers(0, 256, (69, 6, 5, 3)).astype(np.uint8)
    last = open_source(written(tmp_path / "a.npz", images=colours))
    first = open_source(written(tmp_path / "b.npz", images=colours.transpose(0, 3, 1, 2)))
    assert last.shapes == {"image": (6, 5, 3)}
    assert first.fingerprint == last.fingerprint


@pytest.mark.parametrize(
    ("shape", "channels", "found"),
    [
        ((3, 3, 3), None, None), ((3, 8, 3), None, None), ((1, 8, 3), None, None),
        ((8, 8, 5), None, None), ((1, 1, 1), None, None),
        ((3, 8, 3), "first", (8, 3, 3)), ((3, 8, 3), "last", (3, 8, 3)),
        ((8, 8, 5), "last", (8, 8, 5)), ((1, 8, 3), "first", (8, 3)),
    ],
)  # fmt: skip
def test_shapes_that_can_be_read_in_two_ways(
    tmp_path: Path, shape: tuple[int, ...], channels: str | None, found: tuple[int, ...] | None
) -> None:
    given = written(tmp_path / "a.npz", images=np.zeros((69, *shape), np.uint8))
    source = open_source(given.model_copy(update={"channels": channels}))
    if found is not None:
        assert source.shapes == {"image": found}
        return
    with pytest.raises(UserError, match=r"x_train has the shape .*; data\.channels says in which"):
        assert source.shapes


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (IMAGES - 0.5, "x_train and x_test go from -.* to 249.5, expected 0 to 255, or fractions"),
        (IMAGES * 257.0, "go from 0 to 64250"),
        (np.where(IMAGES > 249, np.nan, 0.0), "go from nan to nan"),
        (IMAGES.reshape(69, 64), r"x_train is uint8 of shape \(60, 64\), expected uint8"),
        (IMAGES.astype(str), "x_train is <U3 of shape"),
    ],
)
def test_pixels_that_are_none_are_refused(tmp_path: Path, images: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        assert open_source(written(tmp_path / "a.npz", images=images)).samples


def test_both_parts_are_on_one_scale(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.npz", x_train=np.zeros((30, 8, 8)))
    with pytest.raises(
        UserError, match="found float64 x_train and uint8 x_test, expected the same"
    ):
        assert open_source(NpzParameters(path=str(path))).samples


def test_a_share_is_worked_out_by_hand() -> None:
    labels = np.array([0] * 50 + [1] * 30 + [2] * 19 + [3])
    # Of 10: 5, 3, 1.9 and .1; the last place goes to class 3, which would have none.
    mask = share_of_each(labels, 10)
    assert np.flatnonzero(mask).tolist() == [0, 1, 2, 3, 50, 51, 52, 80, 81, 99]
    # Of 3 samples not every class can have one: 1.5, .9, .57 and .03.
    assert np.flatnonzero(share_of_each(labels, 3)).tolist() == [0, 50, 80]
    assert share_of_each(labels, 100).all()


def sorted_idx(folder: Path) -> None:
    for part, count in (("train", 40), ("t10k", 20)):
        images = np.zeros((count, 3, 3), np.uint8)
        images[:, 0, 0] = np.arange(count)
        write_idx(folder / f"{part}-images-idx3-ubyte.gz", images)
        write_idx(folder / f"{part}-labels-idx1-ubyte.gz", np.arange(count) * 4 // count)


def test_samples_are_taken_of_each_class(tmp_path: Path) -> None:
    sorted_idx(tmp_path)
    source = open_source(IdxParameters(path=str(tmp_path), train_samples=10, test_samples=4))
    images, labels = joined(source.train(0, 0, 99))
    assert sorted(images[:, 0, 0]) == [0, 1, 2, 10, 11, 12, 20, 21, 30, 31]
    assert np.bincount(labels).tolist() == [3, 3, 2, 2]
    assert joined(source.test(9))[1].tolist() == [0, 1, 2, 3]
    few = open_source(IdxParameters(path=str(tmp_path), train_samples=2, test_samples=90))
    assert few.classes == 4
    assert few.notes == (
        "data.train_samples: 2 images are of 2 of 4 classes",
        "data.test_samples: 90 are asked for, all 20 are used",
    )


def test_every_source_of_files_takes_shares(tmp_path: Path) -> None:
    folders(tmp_path / "folder")
    archive(tmp_path / "a.npz")
    (tmp_path / "cifar").mkdir()
    cifar(tmp_path / "cifar", records=20)
    for parameters, classes in (
        (FolderParameters(path=str(tmp_path / "folder"), train_samples=4, test_samples=2), 2),
        (NpzParameters(path=str(tmp_path / "a.npz"), train_samples=6, test_samples=3), 3),
        (Cifar10Parameters(path=str(tmp_path / "cifar"), train_samples=20, test_samples=10), 10),
    ):
        source = open_source(parameters)
        tests = source.test(99)
        assert tests is not None
        assert set(np.bincount(joined(source.train(0, 0, 99))[1], minlength=classes)) == {2}
        assert set(np.bincount(joined(tests)[1], minlength=classes)) == {1}
