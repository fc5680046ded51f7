"""Every kind of source hands out samples that are a function of data, parameters, seed, epoch."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from htmrun.components.sources.cifar10 import Cifar10Parameters
from htmrun.components.sources.digits import DigitsParameters
from htmrun.components.sources.folder import FolderParameters
from htmrun.components.sources.idx import IdxParameters
from htmrun.components.sources.npz import NpzParameters
from htmrun.components.sources.reber import ReberParameters
from htmrun.components.sources.sequences import SequencesParameters
from htmrun.components.sources.series import SeriesParameters
from htmrun.testing import SourceChecks
from tests.components.sources.test_image_files import archive, cifar, folders
from tests.components.sources.test_validation import write_idx


class TestDigits(SourceChecks):
    parameters = DigitsParameters()
    others = (DigitsParameters(split_seed=1), DigitsParameters(test_fraction=0.3))
    reshuffles = True


class TestRotatedDigits(SourceChecks):
    parameters = DigitsParameters.model_validate(
        {"tasks": {"kind": "rotated", "count": 3, "degrees": 30.0}}
    )
    others = (DigitsParameters(),)
    reshuffles = True


class TestPermutedDigits(SourceChecks):
    parameters = DigitsParameters.model_validate({"tasks": {"kind": "permuted", "count": 2}})
    others = (DigitsParameters(),)
    reshuffles = True


class TestDigitsByClass(SourceChecks):
    parameters = DigitsParameters.model_validate({"tasks": {"kind": "by_class", "passes": 2}})
    others = (DigitsParameters(),)
    reshuffles = True


class TestDigitsWithValidation(SourceChecks):
    parameters = DigitsParameters(held_out="best_epoch")
    reshuffles = True


class TestShiftedDigits(SourceChecks):
    parameters = DigitsParameters(shift=2)


class TestIdx(SourceChecks):
    parameters = IdxParameters(path=".")
    others = (IdxParameters(path=".", train_samples=40), IdxParameters(path=".", test_samples=9))
    reshuffles = True

    def write(self, folder: Path, changed: bool) -> bool:
        for part, first, count in (("train", 0, 100), ("t10k", 100, 20)):
            number = np.arange(first, first + count)
            images = np.zeros((count, 3, 4), np.uint8)
            images[:, 0, 0] = number
            images[3, 1, 1] = changed
            write_idx(folder / f"{part}-images-idx3-ubyte.gz", images)
            write_idx(folder / f"{part}-labels-idx1-ubyte.gz", number % 5)
        return True


class TestCifar10(SourceChecks):
    parameters = Cifar10Parameters(path=".", held_out="best_epoch")
    others = (Cifar10Parameters(path="."), Cifar10Parameters(path=".", train_samples=45))
    reshuffles = True

    def write(self, folder: Path, changed: bool) -> bool:
        cifar(folder, records=20)
        return True


class TestFolder(SourceChecks):
    parameters = FolderParameters(path="images")
    others = (FolderParameters(path="images", grey=False),)
    reshuffles = True

    def write(self, folder: Path, changed: bool) -> bool:
        folders(folder / "images", 7 if changed else 6)
        return True


class TestNpz(SourceChecks):
    parameters = NpzParameters(path="a.npz")
    others = (NpzParameters(path="a.npz", train_samples=20),)
    reshuffles = True

    def write(self, folder: Path, changed: bool) -> bool:
        archive(folder / "a.npz")
        return True


class TestSeriesWithFurtherFields(SourceChecks):
    parameters = SeriesParameters(
        path="fields.csv", value="load", texts={"day": ()}, values=("heat",), range_rows=4,
        derived={"change": {}, "week": {"what": "lag", "unit": "season"}, "d": {"of": "heat",
        "what": "place"}, "before": {"what": "lag", "lag": 3}},
    )  # fmt: skip
    others = (parameters.model_copy(update={"texts": {"day": ("Tuesday",)}}),)
    varies = False

    def write(self, folder: Path, changed: bool) -> bool:
        hours = np.datetime64("2026-01-05T00") + np.arange(0, 12 * 300, 12)
        rows = [
            f"{hour},{i * 7 % 100 + i / 1000 + changed},{hour.item():%A},{i % 31}\n"
            for i, hour in enumerate(hours)
        ]
        (folder / "fields.csv").write_text("when,load,day,heat\n" + "".join(rows))
        return True


class TestSeries(SourceChecks):
    parameters = SeriesParameters(path="load.csv")
    others = (SeriesParameters(path="load.csv", rows=30), SeriesParameters(path="load.csv",
              score_from=5))  # fmt: skip
    varies = False

    def write(self, folder: Path, changed: bool) -> bool:
        rows = [f"2010-07-02 00:{i:02},{(i * 37 % 100) / 10}" for i in range(60)]
        rows[40] += "1" if changed else ""
        (folder / "load.csv").write_text("when,load\n" + "\n".join(rows) + "\n")
        return True


class TestSeriesBySensor(SourceChecks):
    parameters = SeriesParameters(path="load.csv", group_by="sensor", sort=True)
    others = (SeriesParameters(path="load.csv", where={"sensor": "a"}, sort=True),)
    varies = False

    def write(self, folder: Path, changed: bool) -> bool:
        rows = [f"2010-07-02 00:{i:02},{'ab'[i % 2]},{(i * 37 % 100) / 10}" for i in range(60)]
        rows[40] += "1" if changed else ""
        (folder / "load.csv").write_text("when,sensor,load\n" + "\n".join(rows[::-1]) + "\n")
        return True


class TestSequences(SourceChecks):
    parameters = SequencesParameters(noise=0.1, steps=900)
    others = (SequencesParameters(noise=0.1, steps=900, resets=True),)


class TestReber(SourceChecks):
    parameters = ReberParameters(steps=900)
    others = (ReberParameters(steps=900, embedded=False), ReberParameters(steps=901))
