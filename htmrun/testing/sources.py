"""What every source keeps."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from htmrun.components.sources import Chunk, Source, open_source
from htmrun.testing.streams import assert_same


class SourceChecks:
    """Checks that the samples are a function of the parameters, the data, the seed and the epoch.

    parameters: of the source; a relative path starts at `folder`, where `write` puts files. No
    two samples of what is written may be equal.
    others: parameters that choose other samples. varies: whether the order is another one for
    another seed or epoch; reshuffles: whether it then has the same samples in another order.
    """

    parameters: ClassVar[Any]
    others: ClassVar[Sequence[Any]] = ()
    varies: ClassVar[bool] = True
    reshuffles: ClassVar[bool] = False

    def write(self, folder: Path, changed: bool) -> bool:
        """Write the source's files, some value `changed` or not; False if there are none."""
        return False

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """The folder with the source's files."""
        self.write(tmp_path, False)
        return tmp_path

    def open(self, folder: Path, parameters: Any = None) -> Source:
        """Return a new source."""
        return open_source(self.parameters if parameters is None else parameters, base_dir=folder)

    def test_samples_are_as_declared(self, folder: Path) -> None:
        source = self.open(folder)
        count = 0
        assert source.name
        assert source.task in ("classification", "sequence", "forecast")
        assert len(set(source.class_names)) == len(source.class_names) == source.classes
        assert (source.classes == 0) == (source.task == "forecast")
        for chunk in [*source.train(0, 0, 50), *(source.test(50) or ())]:
            assert 0 < len(chunk) <= 50
            assert {n: values.shape[1:] for n, values in chunk.fields.items()} == source.shapes
            self._check_chunk(source, chunk)
        for chunk in source.train(0, 0, 1000):
            count += len(chunk)
        assert source.samples in (None, count)

    def _check_chunk(self, source: Source, chunk: Chunk) -> None:
        n = len(chunk)
        for name, values in chunk.fields.items():
            assert len(values) == n, name
            # Ranges of the first samples say nothing of the later ones.
            if name in source.ranges and getattr(source, "range_of", None) is None:
                low, high = source.ranges[name]
                assert low <= np.nanmin(values) <= np.nanmax(values) <= high, name
        for flags in (chunk.reset, chunk.scored):
            assert (flags.dtype, flags.shape) == (np.uint8, (n,))
            assert flags.max() <= 1
        assert chunk.target.shape == (n,)
        if source.classes:
            assert chunk.target.dtype == np.int64
            assert ((chunk.target >= 0) & (chunk.target < source.classes)).all()
        else:
            assert chunk.target.dtype == np.float64

    def test_chunk_sizes_do_not_show(self, folder: Path) -> None:
        source = self.open(folder)
        parts = [source.train, lambda seed, epoch, chunk: source.test(chunk) or (),
                 lambda seed, epoch, chunk: source.validation(chunk) or ()]  # fmt: skip
        for read in parts:
            whole = joined(read(0, 0, 1 << 30))
            for chunk in (1, 7, 64):
                pieces = list(read(0, 0, chunk))
                assert max(map(len, pieces), default=0) <= chunk
                assert_same(joined(pieces), whole)

    def test_the_order_is_a_function_of_seed_and_epoch(self, folder: Path) -> None:
        source = self.open(folder)
        passes = {(s, e): joined(source.train(s, e, 50)) for s in (1, 0) for e in (1, 0)}
        copy = pickle.loads(pickle.dumps(source))
        for other in (source, self.open(folder), copy):
            assert_same(joined(other.train(0, 1, 50)), passes[0, 1])
        one, two = source.train(0, 0, 5), source.train(1, 0, 5)
        taken = [(next(one), next(two)) for _ in range(2)]
        assert_same(joined(c for c, _ in taken), {n: a[:10] for n, a in passes[0, 0].items()})
        orders = {b"".join(a.tobytes() for a in p.values()) for p in passes.values()}
        assert len(orders) == (4 if self.varies else 1)
        if self.reshuffles:
            assert len({tuple(sorted(samples_of(p))) for p in passes.values()}) == 1

    def test_what_is_held_out_is_not_learned(self, folder: Path) -> None:
        source = self.open(folder)
        test, kept = source.test(50), source.validation(50)
        if test is None:
            pytest.skip("every sample is scored before it is learned")
        learned = samples_of(joined(source.train(0, 0, 50)))
        held = samples_of(joined(test))
        assert held
        assert not learned & held
        if kept is not None:
            validation = samples_of(joined(kept))
            assert validation
            assert not validation & (learned | held)

    def test_validation_leaves_the_test_samples_alone(self, folder: Path) -> None:
        judged = self.open(folder)
        chosen = self.open(folder, self.parameters.model_copy(update={"held_out": "validation"}))
        assert judged.fingerprint != chosen.fingerprint
        test, validation = judged.test(50), chosen.test(50)
        if test is None or validation is None:
            pytest.skip("every sample is scored before it is learned")
        learned = samples_of(joined(chosen.train(0, 0, 50)))
        assert not samples_of(joined(test)) & (learned | samples_of(joined(validation)))
        assert not learned & samples_of(joined(validation))

    def test_the_fingerprint_follows_the_samples(self, folder: Path) -> None:
        source = self.open(folder)
        before = source.fingerprint
        assert len(bytes.fromhex(before)) == 32
        for _ in source.train(3, 1, 64):
            pass
        assert source.fingerprint == before == self.open(folder).fingerprint
        prints = {before, *(self.open(folder, other).fingerprint for other in self.others)}
        assert len(prints) == 1 + len(self.others)
        if self.write(folder, True):
            assert self.open(folder).fingerprint not in prints


def joined(chunks: Iterable[Chunk]) -> dict[str, np.ndarray]:
    """Return all arrays of consecutive chunks by name; empty without chunks."""
    parts = [
        {**{f"fields.{n}": v for n, v in c.fields.items()}, "target": c.target, "reset": c.reset,
         "scored": c.scored}
        for c in chunks
    ]  # fmt: skip
    return {name: np.concatenate([p[name] for p in parts]) for name in parts[0]} if parts else {}


def samples_of(arrays: dict[str, np.ndarray]) -> set[bytes]:
    """Return the set of samples, each the bytes of its fields."""
    columns = [values for name, values in arrays.items() if name.startswith("fields.")]
    return {b"".join(row.tobytes() for row in rows) for rows in zip(*columns, strict=True)}
