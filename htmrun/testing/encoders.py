"""What every encoder keeps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pytest

from htmrun.backends.bits import Bits
from htmrun.components.encoders import Encoder, build_encoder
from htmrun.errors import UserError
from htmrun.testing.streams import assert_same, assert_well_formed

Fields = Mapping[str, np.ndarray]


class EncoderChecks:
    """Checks that an encoder is a pure function of its parameters, the seed and the value.

    parameters: of the encoder. samples: arrays by field, ten or more samples that it encodes.
    refused: arrays by field that it must refuse, each with one line.
    seeded: whether another seed gives other bits.
    ranges: lowest and highest value by field; None: of the samples.
    """

    parameters: ClassVar[Any]
    samples: ClassVar[Fields]
    refused: ClassVar[Sequence[Fields]] = ()
    seeded: ClassVar[bool] = False
    ranges: ClassVar[Mapping[str, tuple[float, float]] | None] = None

    def build(self, seed: int = 0) -> Encoder:
        """Return a new encoder for the samples."""
        shapes = {name: values.shape[1:] for name, values in self.samples.items()}
        numbers = {n: v for n, v in self.samples.items() if v.ndim == 1 and v.dtype.kind in "iuf"}
        ranges = {n: (float(np.nanmin(v)), float(np.nanmax(v))) for n, v in numbers.items()}
        return build_encoder(self.parameters, shapes, seed, self.ranges or ranges)

    def encode(self, encoder: Encoder, places: Any = slice(None)) -> Bits:
        """Encode some of the samples."""
        return encoder.encode({name: values[places] for name, values in self.samples.items()})

    def test_bits_are_well_formed(self) -> None:
        encoder = self.build()
        assert math.prod(encoder.shape) == encoder.size > 0
        assert encoder.fields
        assert set(encoder.fields) <= set(self.samples)
        assert_well_formed(self.encode(encoder), encoder.size, len(self))
        assert_well_formed(self.encode(encoder, slice(0, 0)), encoder.size, 0)

    def test_bits_depend_on_the_value_alone(self) -> None:
        """Not on the samples before it, on how they are cut, or on what was encoded earlier."""
        encoder, n = self.build(), len(self)
        whole = self.encode(encoder)
        order = np.random.default_rng(0).permutation(n)
        shuffled = self.encode(encoder, order)
        assert_same({"bits": self.encode(encoder)}, {"bits": whole})
        for chunk in (1, 3):
            parts = [self.encode(encoder, slice(t, t + chunk)) for t in range(0, n, chunk)]
            assert_same({"bits": Bits.concatenate(parts)}, {"bits": whole})
        fresh = self.build()
        for place, t in enumerate(order):
            for row in (shuffled.row(place), self.encode(fresh, slice(t, t + 1)).row(0)):
                np.testing.assert_array_equal(row, whole.row(t))

    def test_the_seed_decides(self) -> None:
        one, same, other = (self.encode(self.build(seed)) for seed in (1, 1, 2))
        assert_same({"bits": one}, {"bits": same})
        assert (one.indices.tolist() != other.indices.tolist()) == self.seeded

    def test_missing_values_have_no_bits(self) -> None:
        missing = {"f": np.nan, "M": np.datetime64("NaT")}
        encoder = self.build()
        kinds = {self.samples[name].dtype.kind for name in encoder.fields}
        if not kinds <= set(missing):
            pytest.skip("its fields have no value that stands for a missing one")
        gone = {name: values.copy() for name, values in self.samples.items()}
        for name in encoder.fields:
            gone[name][1] = missing[gone[name].dtype.kind]
        bits, whole = encoder.encode(gone), self.encode(encoder)
        for t in range(len(self)):
            np.testing.assert_array_equal(bits.row(t), [] if t == 1 else whole.row(t))

    def test_samples_are_left_as_they_are(self) -> None:
        kept = {name: values.copy() for name, values in self.samples.items()}
        bits = self.encode(self.build())
        bits.indices[...] = 0
        assert_same(self.samples, kept)

    def test_bad_values_are_refused_in_one_line(self) -> None:
        encoder = self.build()
        for fields in self.refused:
            with pytest.raises(UserError, match=r"^encoder[.\w]*: ") as error:
                encoder.encode(fields)
            assert "\n" not in str(error.value)

    def test_parameters_are_those_that_are_written_down(self) -> None:
        written = self.parameters.model_dump(mode="json")
        assert type(self.parameters).model_validate(written) == self.parameters

    def __len__(self) -> int:
        return len(next(iter(self.samples.values())))
