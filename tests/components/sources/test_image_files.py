"""CIFAR-10's binary format, folders of images and NumPy archives."""

from __future__ import annotations

import hashlib
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from htmrun.components.sources import download, open_source
from htmrun.components.sources.cifar10 import Cifar10Parameters
from htmrun.components.sources.folder import FolderParameters
from htmrun.components.sources.npz import NpzParameters
from htmrun.errors import UserError
from tests.components.sources.test_images import joined
from tests.helpers.experiments import train

RANDOM = np.random.default_rng(0)


def cifar(folder: Path, records: int = 4) -> np.ndarray:
    """Write six files; return the images of the first training file, (records, 32, 32, 3)."""
    first = None
    for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
        images = RANDOM.integers(0, 256, (records, 32, 32, 3)).astype(np.uint8)
        first = images if first is None else first
        labels = (np.arange(records) % 10).astype(np.uint8)
        planes = images.transpose(0, 3, 1, 2).reshape(records, -1)
        np.concatenate([labels[:, None], planes], 1).tofile(folder / f"{name}.bin")
    assert first is not None
    return first


def test_cifar_is_read_as_written(tmp_path: Path) -> None:
    first = cifar(tmp_path)
    source = open_source(Cifar10Parameters(path=str(tmp_path)))
    assert (source.samples, source.classes, source.shapes) == (20, 10, {"image": (32, 32, 3)})
    assert source.class_names[:2] == ("airplane", "automobile")
    images, labels = joined(source.train(0, 0, 7))
    found = {image.tobytes(): int(label) for image, label in zip(images, labels, strict=True)}
    assert [found[image.tobytes()] for image in first] == [0, 1, 2, 3]
    (tmp_path / "data_batch_3.bin").write_bytes(b"\x00" * 3074)
    with pytest.raises(UserError, match=r"data_batch_3\.bin: 3074 bytes, expected a multiple"):
        assert open_source(Cifar10Parameters(path=str(tmp_path))).samples


def test_cifar_is_downloaded_once_taken_apart_and_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    first = cifar(folder)
    (folder / "readme.html").write_text("not needed")
    archive = tmp_path / "cifar-10-binary.tar.gz"
    with tarfile.open(archive, "w:gz") as packed:
        packed.add(folder, folder.name)
    source = open_source(Cifar10Parameters())
    assert (source.name, source.samples, source.classes) == ("cifar10", 50_000, 10)
    assert not (tmp_path / "cache").exists(), "what is known of it needs no file"
    digest = hashlib.md5(archive.read_bytes()).hexdigest()
    offered = replace(
        download.CIFAR10, mirrors=(f"{tmp_path.as_uri()}/",), digests={archive.name: digest}
    )
    monkeypatch.setattr(download, "CIFAR10", replace(offered, digests={archive.name: "0" * 32}))
    with pytest.raises(UserError, match=r"could not be downloaded \(its checksum differs\); give"):
        next(source.test(4))
    monkeypatch.setattr(download, "CIFAR10", offered)
    images, _ = joined(source.train(0, 0, 7))
    assert len(images) == 20
    assert {image.tobytes() for image in first} <= {image.tobytes() for image in images}
    kept = tmp_path / "cache" / "htmrun" / "cifar10"
    assert sorted(p.name for p in kept.iterdir()) == sorted(download.CIFAR10_FILES)
    archive.unlink()
    assert len(joined(open_source(Cifar10Parameters()).test(4))[0]) == 4
    assert capsys.readouterr().err.count("downloading CIFAR-10") == 2


def folders(root: Path, size: int = 6) -> None:
    from PIL import Image

    for part, count in (("train", 6), ("test", 2)):
        for place, name in enumerate(("cat", "dog")):
            (root / part / name).mkdir(parents=True, exist_ok=True)
            for i in range(count):
                value = 100 * place + 10 * i + 5 * (part == "test")
                pixels = np.full((size, size), value, np.uint8)
                Image.fromarray(pixels).save(root / part / name / f"{i}.png")


def test_a_folder_for_each_class(tmp_path: Path) -> None:
    folders(tmp_path)
    source = open_source(FolderParameters(path=str(tmp_path)))
    assert (source.samples, source.class_names) == (12, ("cat", "dog"))
    images, labels = joined(source.train(0, 0, 100))
    assert sorted(zip(images[:, 0, 0].tolist(), labels.tolist(), strict=True)) == [
        (100 * label + 10 * i, label) for label in (0, 1) for i in range(6)
    ]
    colours = open_source(FolderParameters(path=str(tmp_path), grey=False))
    assert colours.shapes["image"] == (6, 6, 3)
    alone = open_source(FolderParameters(path=str(tmp_path / "train"), test_fraction=0.34))
    tests = alone.test(10)
    assert tests is not None
    assert (alone.samples, len(joined(tests)[1])) == (8, 4)


def test_folders_say_which_file_is_wrong(tmp_path: Path) -> None:
    folders(tmp_path)
    (tmp_path / "train" / "cat" / "9.png").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"cat/9\.png: no image that Pillow knows"):
        assert open_source(FolderParameters(path=str(tmp_path))).samples
    (tmp_path / "train" / "cat" / "9.png").unlink()
    folders(tmp_path / "other", size=7)
    (tmp_path / "other" / "train" / "dog" / "0.png").rename(tmp_path / "train" / "dog" / "z.png")
    with pytest.raises(UserError, match=r"dog/z\.png: 7 x 7 pixels, expected 6 x 6"):
        assert open_source(FolderParameters(path=str(tmp_path))).samples


def archive(path: Path, **change: Any) -> Path:
    arrays = {
        "x_train": RANDOM.integers(0, 256, (30, 8, 8)).astype(np.uint8),
        "y_train": np.arange(30) % 3,
        "x_test": RANDOM.integers(0, 256, (9, 8, 8)).astype(np.uint8),
        "y_test": np.arange(9)[:, None] % 3,
    }
    np.savez(path, **{**arrays, **change})
    return path


def test_archives(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.npz")
    source = open_source(NpzParameters(path=str(path), train_samples=20))
    assert (source.samples, source.classes, source.name) == (20, 3, "a")
    best = open_source(NpzParameters(path=str(path), held_out="best_epoch"))
    kept = best.validation(100)
    assert kept is not None
    assert (best.samples, len(joined(kept)[1])) == (24, 6)
    with pytest.raises(UserError, match=r"data\.path: .* does not exist"):
        open_source(NpzParameters(path=str(tmp_path / "none.npz")))


def test_networks_and_pipelines_learn_from_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = archive(tmp_path / "a.npz")
    small = ("seeds=[0]", "epochs=1", "tracking=none", "workers=1", "curve_points=2")
    given = ("data=npz", f"data.path={path}", *small)
    summary, _ = train(capsys, "experiment=sparse_digits", *given, "arms=[dense]")
    assert summary["status"] == "finished"
    cifar(tmp_path)
    given = (
        "data=cifar10",
        f"data.path={tmp_path}",
        *small,
        "sp.columns=64",
        "arms=[online]",
        "~data.split_seed",
    )
    assert train(capsys, "experiment=digits", *given)[0]["status"] == "finished"
