"""What a user can set about the data: one model per kind of source."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from htmrun.backends.parameters import Parameters

Steps = Annotated[int, Field(ge=1, le=1 << 32)]
DriftAt = Annotated[int | None, Field(ge=1)]
Limit = Annotated[int | None, Field(ge=1)]
HeldOut = Literal["test", "validation"]
"""What results are measured on; validation is there for choosing settings, test for judging."""


ImageHeldOut = Literal["test", "validation", "best_epoch"]
"""As above, or on test, but of the epoch that was best on validation."""
_IMAGE_HELD_OUT = (
    "What results are measured on; validation: on a share of the training images, which is not "
    "learned then, and the test images are not used at all; best_epoch: on the test images, but "
    "of the epoch that did best on such a share."
)


def stream_number(epoch: int, held_out: HeldOut) -> int:
    """Return the number of the generated stream of `epoch`; validation has streams of its own."""
    return epoch if held_out == "test" else epoch + (1 << 32)


class SourceParameters(Parameters):
    """What every source has."""

    held_out: str = Field(
        "test", description="validation: other samples than those that results are judged on."
    )


class DigitsParameters(SourceParameters):
    """The 8x8 handwritten digits that ship with scikit-learn (1797 images, grey values 0..16)."""

    kind: Literal["digits"] = "digits"
    test_fraction: float = Field(
        0.2, gt=0.0, lt=1.0, description="Share of each class that is held out for testing."
    )
    split_seed: int = Field(
        0, ge=0, description="Chooses the held-out images; the same for all seeds of a run."
    )
    held_out: ImageHeldOut = Field("test", description=_IMAGE_HELD_OUT)
    validation_fraction: float = Field(
        0.2, gt=0.0, lt=1.0, description="Share of each class of the training images, if so."
    )


class IdxParameters(SourceParameters):
    """Image files in the IDX format of MNIST and its relatives, plain or gzip."""

    kind: Literal["idx"] = "idx"
    path: str | None = Field(
        None,
        description="Directory with train-images-idx3-ubyte[.gz] and its three companions; null: "
        "`dataset`, downloaded once and checked.",
    )
    dataset: Literal["mnist", "fashion_mnist"] = Field(
        "mnist", description="What is downloaded. Unused with a path."
    )
    train_samples: Limit = Field(
        None, description="Use the first so many training images; null: all."
    )
    test_samples: Limit = Field(None, description="Use the first so many test images; null: all.")
    held_out: ImageHeldOut = Field("test", description=_IMAGE_HELD_OUT)
    validation_fraction: float = Field(
        0.2, gt=0.0, lt=1.0, description="Share of each class of the training images, if so."
    )


class Cifar10Parameters(SourceParameters):
    """CIFAR-10 in its binary version (Krizhevsky 2009): 32x32 colour images, ten classes."""

    kind: Literal["cifar10"] = "cifar10"
    path: str | None = Field(
        None,
        description="Folder with data_batch_1.bin to data_batch_5.bin and test_batch.bin; null: "
        "downloaded once and checked.",
    )
    train_samples: Limit = Field(
        None, description="Use the first so many training images; null: all."
    )
    test_samples: Limit = Field(None, description="Use the first so many test images; null: all.")
    held_out: ImageHeldOut = Field("test", description=_IMAGE_HELD_OUT)
    validation_fraction: float = Field(
        0.2, gt=0.0, lt=1.0, description="Share of each class of the training images, if so."
    )


class FolderParameters(SourceParameters):
    """Image files in a folder for each class, with or without folders train and test above."""

    kind: Literal["folder"] = "folder"
    path: str = Field(
        ..., description="Folder with train/CLASS/*.png and test/CLASS/*.png, or with CLASS/*.png."
    )
    grey: bool = Field(True, description="Images are read as grey values; false: as colours.")
    test_fraction: float = Field(
        0.2,
        gt=0.0,
        lt=1.0,
        description="Share of each class that is held out for testing, if there is no folder test.",
    )
    train_samples: Limit = Field(
        None, description="Use the first so many training images; null: all."
    )
    test_samples: Limit = Field(None, description="Use the first so many test images; null: all.")
    held_out: ImageHeldOut = Field("test", description=_IMAGE_HELD_OUT)
    validation_fraction: float = Field(
        0.2, gt=0.0, lt=1.0, description="Share of each class of the training images, if so."
    )


class NpzParameters(SourceParameters):
    """A NumPy archive: train_images, train_labels, test_images, test_labels (or x_train, ...)."""

    kind: Literal["npz"] = "npz"
    path: str = Field(..., description="File made by numpy.savez; images are uint8.")
    train_samples: Limit = Field(
        None, description="Use the first so many training images; null: all."
    )
    test_samples: Limit = Field(None, description="Use the first so many test images; null: all.")
    held_out: ImageHeldOut = Field("test", description=_IMAGE_HELD_OUT)
    validation_fraction: float = Field(
        0.2, gt=0.0, lt=1.0, description="Share of each class of the training images, if so."
    )


class SeriesParameters(SourceParameters):
    """A series to forecast: a CSV file, or one that ships inside statsmodels."""

    kind: Literal["series"] = "series"
    path: str | None = Field(None, description="CSV file; null: the bundled series called `name`.")
    name: Literal["co2", "sunspots", "elnino"] = Field(
        "co2",
        description="Bundled series: weekly CO2 at Mauna Loa, yearly sunspots, monthly El Nino "
        "sea temperature. Unused with a path.",
    )
    value: str | None = Field(
        None, description="Column that is forecast; null: the only numeric column."
    )
    values: tuple[str, ...] = Field(
        (), description="Further numeric columns, given to the encoder under their own names."
    )
    timestamp: str | None = Field(
        None, description="Column of date and time; null: the first column that parses as one."
    )
    timestamp_format: str | None = Field(
        None, description="strptime format, e.g. '%d.%m.%Y %H:%M'; null: found from the first rows."
    )
    reset: str | None = Field(
        None, description="Column whose non-zero rows start a new sequence; null: none."
    )
    delimiter: str = Field(",", min_length=1, max_length=1, description="Separates the columns.")
    missing: Literal["error", "skip", "previous"] | None = Field(
        None,
        description="Empty or NaN values: stop, leave the row out, or repeat the last value; null: "
        "error for a file, previous for a bundled series.",
    )
    skip_rows: int = Field(0, ge=0, description="Data rows left out at the start.")
    rows: Limit = Field(None, description="Data rows read after those skipped; null: all.")
    score_from: int = Field(
        0, ge=0, description="First sample whose prediction counts in the metrics."
    )
    drift_at: DriftAt = Field(
        None,
        description="First sample after a change that is known: how a model recovers from it "
        "is measured, in series of up to a million samples; null: none.",
    )
    held_out: HeldOut = Field(
        "test",
        description="test: the whole series; validation: only its first part is used, the rest "
        "stays unseen.",
    )
    validation_fraction: float = Field(
        0.5, gt=0.0, lt=1.0, description="Share of the samples that make the first part, if so."
    )


class SequencesParameters(SourceParameters):
    """Generated high-order sequences: pairs like ABCDE / XBCDY, whose start decides the end."""

    kind: Literal["sequences"] = "sequences"
    sequences: int = Field(
        4, ge=2, le=10_000, description="Number of sequences, even; each pair shares its middle."
    )
    length: int = Field(6, ge=3, le=10_000, description="Elements of a sequence.")
    shared: int = Field(
        3, ge=0, description="Elements in the middle that a pair shares, before the last element."
    )
    gap: int = Field(1, ge=0, le=1000, description="Random elements between two sequences.")
    noise_symbols: int = Field(
        10_000,
        ge=0,
        le=1_000_000,
        description="Alphabet of the gap and of `noise`, apart from the rest; large, so that what "
        "comes before a sequence hardly ever comes back. One class for the classifier.",
    )
    noise: float = Field(
        0.0, ge=0.0, le=1.0, description="Chance that an element is replaced by a noise symbol."
    )
    steps: Steps = Field(5000, description="Samples in an epoch.")
    drift_at: DriftAt = Field(
        None,
        description="Sequences that begin at this sample or later end as the other one of "
        "their pair did before; null: they never change. How a model recovers is measured, in "
        "streams of up to a million samples.",
    )
    resets: bool = Field(False, description="Tell the temporal memory where a sequence starts.")
    score: Literal["ending", "determined"] = Field(
        "ending",
        description="Which elements count: the last one of a sequence, which only its start tells, "
        "or every element that the sequence so far decides.",
    )
    held_out: HeldOut = Field(
        "test", description="validation: another stream than the one that results are made on."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.sequences % 2:
            raise ValueError(f"sequences: found {self.sequences}, expected an even number (pairs)")
        if self.shared > self.length - 2:
            raise ValueError(
                f"shared: {self.shared} leaves no first and last element of its own in length = "
                f"{self.length}, expected at most {self.length - 2}"
            )
        if self.drift_at is not None and self.drift_at >= self.steps:
            raise ValueError(
                f"drift_at: found {self.drift_at}, expected less than steps = {self.steps}"
            )
        if self.noise_symbols == 0 and (self.gap or self.noise):
            raise ValueError(
                f"noise_symbols: found 0 with gap = {self.gap} and noise = {self.noise}, "
                "expected at least 1"
            )
        return self


class ReberParameters(SourceParameters):
    """Strings of the Reber grammar, plain or embedded (Cleeremans et al. 1989)."""

    kind: Literal["reber"] = "reber"
    embedded: bool = Field(
        True, description="Wrap each string as BT..TE or BP..PE: the second symbol comes back."
    )
    score: Literal["long_range", "determined"] | None = Field(
        None,
        description="Which symbols count: the returning second symbol only, or every symbol that "
        "can be known for sure; null: long_range if embedded.",
    )
    steps: Steps = Field(5000, description="Samples in an epoch.")
    resets: bool = Field(False, description="Tell the temporal memory where a string starts.")
    held_out: HeldOut = Field(
        "test", description="validation: another stream than the one that results are made on."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.score == "long_range" and not self.embedded:
            raise ValueError(
                "score: 'long_range' exists only with embedded = true, expected determined or null"
            )
        return self
