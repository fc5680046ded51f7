"""Validation: apart from what is learned, and from what is there for judging."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from htmrun.components.sources import Chunk, Source, SourceParameters, open_source
from htmrun.components.sources.digits import DigitsParameters
from htmrun.components.sources.idx import IdxParameters
from htmrun.components.sources.reber import ReberParameters
from htmrun.components.sources.sequences import SequencesParameters
from htmrun.components.sources.series import SeriesParameters
from htmrun.errors import UserError


def images_of(chunks: Iterator[Chunk] | None) -> set[bytes]:
    assert chunks is not None
    return {image.tobytes() for chunk in chunks for image in chunk.fields["image"]}


def pair(test: SourceParameters) -> tuple[Source, Source]:
    """Return the source that results are made on, and the one for choosing settings."""
    other = test.model_copy(update={"held_out": "validation"})
    return open_source(test), open_source(other)


def test_digits_are_split_in_three() -> None:
    judged, chosen = pair(DigitsParameters(split_seed=1))
    learned, validation = images_of(chosen.train(0, 0, 500)), images_of(chosen.test(500))
    assert learned | validation == images_of(judged.train(0, 0, 500))
    assert judged.samples is not None
    assert chosen.samples == pytest.approx(0.8 * judged.samples, abs=10)


def test_validation_has_every_class_in_its_share() -> None:
    _, chosen = pair(DigitsParameters())
    chunks = chosen.test(2000)
    assert chunks is not None
    counts = np.bincount(next(chunks).target, minlength=10)
    assert counts.min() >= 0.19 * 140
    assert counts.max() <= 0.21 * 148


def test_too_small_a_share_is_refused() -> None:
    parameters = DigitsParameters(held_out="validation", validation_fraction=0.001)
    with pytest.raises(UserError, match=r"data.validation_fraction: 0.001 leaves a class without"):
        _ = open_source(parameters).samples


def write_idx(path: Path, values: np.ndarray) -> None:
    head = bytes([0, 0, 8, values.ndim])
    head += b"".join(n.to_bytes(4, "big") for n in values.shape)
    path.write_bytes(gzip.compress(head + values.astype(np.uint8).tobytes()))


def test_image_files_keep_their_test_images_apart(tmp_path: Path) -> None:
    for part, first, count in (("train", 0, 100), ("t10k", 100, 20)):
        number = np.arange(first, first + count)
        images = np.zeros((count, 3, 3), np.uint8)
        images[:, 0, 0] = number
        write_idx(tmp_path / f"{part}-images-idx3-ubyte.gz", images)
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte.gz", number % 5)
    judged, chosen = pair(IdxParameters(path=str(tmp_path)))
    train, test = images_of(judged.train(0, 0, 50)), images_of(judged.test(50))
    learned, validation = images_of(chosen.train(0, 0, 50)), images_of(chosen.test(50))
    assert (len(train), len(test), len(learned), len(validation)) == (100, 20, 80, 20)
    assert learned | validation == train
    assert chosen.samples == 80


def values_of(source: Source, field: str) -> list[float]:
    return [v for chunk in source.train(0, 0, 7) for v in chunk.fields[field].tolist()]


def test_of_a_series_only_the_first_part_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "load.csv"
    path.write_text("load\n" + "\n".join(str(v) for v in range(100)) + "\n")
    judged, chosen = pair(SeriesParameters(path=str(path), validation_fraction=0.3, range="file"))
    assert judged.samples == 100
    assert chosen.samples == 30
    assert values_of(chosen, "value") == list(range(30))
    assert chosen.ranges["value"] == (0.0, 29.0), "not even its range tells of the rest"


@pytest.mark.parametrize("parameters", [SequencesParameters(), ReberParameters()])
def test_generated_streams_are_others(parameters: SequencesParameters | ReberParameters) -> None:
    judged, chosen = pair(parameters)
    one, other = values_of(judged, "symbol"), values_of(chosen, "symbol")
    assert len(one) == len(other)
    assert np.mean(np.array(one) == np.array(other)) < 0.9
