"""The same picture in another file gives the same bits, or is refused with its name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from htmrun.components.sources import open_source
from htmrun.components.sources.folder import FolderParameters
from htmrun.components.sources.pictures import read_picture
from htmrun.errors import UserError
from tests.components.sources.test_image_files import folders
from tests.components.sources.test_images import joined

RANDOM = np.random.default_rng(11)
PIXELS = RANDOM.integers(0, 256, (5, 7)).astype(np.uint8)
PIXELS[0, :2] = 0, 255
GREY = Image.fromarray(PIXELS)
ALPHA = Image.fromarray(np.full((5, 7), 255, np.uint8))
HOLE = np.full((5, 7), 255, np.uint8)
HOLE[2, 3] = 0


def palette() -> Image.Image:
    """The same picture by an upside-down list of greys."""
    image = Image.fromarray(255 - PIXELS).convert("P")
    image.putpalette([255 - i for i in range(256) for _ in range(3)])
    return image


def turned(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # To be turned clockwise by a quarter before it is looked at.
    GREY.rotate(90, expand=True).save(path, exif=exif)


def turned_and_packed(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 8
    GREY.rotate(270, expand=True).save(path.with_suffix(".tif"), exif=exif, compression="tiff_lzw")
    path.with_suffix(".tif").rename(path)


SAME: dict[str, Callable[[Path], Any]] = {
    "sixteen.png": lambda p: Image.fromarray(PIXELS.astype(np.uint16) * 257).save(p),
    "sixteen.tif": lambda p: Image.fromarray(PIXELS.astype(np.uint16) * 257).save(p),
    "sixteen.pgm": lambda p: p.write_bytes(
        b"P5 7 5 65535\n" + (PIXELS.astype(">u2") * 257).tobytes()
    ),
    "opaque.png": lambda p: Image.merge("LA", (GREY, ALPHA)).save(p),
    "opaque_colours.png": lambda p: Image.merge("RGBA", (GREY, GREY, GREY, ALPHA)).save(p),
    "colours.png": lambda p: Image.merge("RGB", (GREY,) * 3).save(p),
    "palette.png": lambda p: palette().save(p),
    "palette.gif": lambda p: palette().save(p),
    "inks.tif": lambda p: Image.merge("RGB", (GREY,) * 3).convert("CMYK").save(p),
    "grey.webp": lambda p: GREY.convert("RGB").save(p, lossless=True),
    "CAPITALS.BMP": lambda p: GREY.save(p),
    "turned.png": turned,
    "turned.tif": turned,
    "turned.jpg": turned_and_packed,
    "text.pgm": lambda p: p.write_text(f"P2 7 5 255 {' '.join(map(str, PIXELS.ravel()))}"),
}


@pytest.mark.parametrize("name", SAME)
def test_the_same_picture_gives_the_same_bytes(tmp_path: Path, name: str) -> None:
    SAME[name](tmp_path / name)
    assert (read_picture(tmp_path / name, grey=True)[0] == PIXELS).all()
    colours, _ = read_picture(tmp_path / name, grey=False)
    assert colours.shape == (5, 7, 3)
    assert (colours == PIXELS[..., None]).all()


def test_black_and_white_is_black_and_white(tmp_path: Path) -> None:
    bright = PIXELS > 99
    for name in ("bits.png", "bits.tif", "bits.pbm"):
        Image.fromarray(bright).save(tmp_path / name)
        assert (read_picture(tmp_path / name, grey=True)[0] == 255 * bright).all()


def frames(path: Path, **more: Any) -> None:
    GREY.save(path, save_all=True, append_images=[GREY.rotate(180)], **more)


REFUSED: dict[str, tuple[Callable[[Path], Any], str]] = {
    "hole.png": (
        lambda p: Image.merge("LA", (GREY, Image.fromarray(HOLE))).save(p),
        "transparent pixels, expected an opaque image, or data.background",
    ),
    "hole.gif": (lambda p: GREY.save(p, transparency=255), "transparent pixels"),
    "moving.gif": (frames, "2 pictures in one file, expected one"),
    "moving.png": (frames, "2 pictures in one file"),
    "pages.tif": (frames, "2 pictures in one file"),
    "fractions.tif": (
        lambda p: Image.fromarray(PIXELS / np.float32(255)).save(p),
        "pixels of Pillow's mode F, expected 8 or 16 bits, not fractions",
    ),
    "wide.tif": (lambda p: Image.fromarray(PIXELS.astype(np.int32) * 257).save(p), "mode I"),
    "profile.tif": (
        lambda p: Image.merge("RGB", (GREY,) * 3).convert("CMYK").save(p, icc_profile=b"x" * 128),
        "CMYK with a colour profile",
    ),
    "cut.png": (
        lambda p: (GREY.save(p), p.write_bytes(p.read_bytes()[:60])), "broken|truncated"
    ),
    "no.png": (lambda p: p.write_text("nothing"), "no image that Pillow knows"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_single_picture_is_refused_by_name(tmp_path: Path, name: str) -> None:
    write, message = REFUSED[name]
    write(tmp_path / name)
    with pytest.raises(UserError, match=message) as error:
        read_picture(tmp_path / name, grey=True)
    assert str(error.value).startswith(f"{tmp_path / name}: ")
    assert "\n" not in str(error.value)


def test_a_background_stands_behind_what_shines_through(tmp_path: Path) -> None:
    Image.merge("LA", (GREY, Image.fromarray(HOLE))).save(tmp_path / "hole.png")
    found, _ = read_picture(tmp_path / "hole.png", True, background=200)
    expected = PIXELS.copy()
    expected[2, 3] = 200
    assert (found == expected).all()


def test_hidden_things_are_no_classes(tmp_path: Path) -> None:
    folders(tmp_path)
    plain = open_source(FolderParameters(path=str(tmp_path)))
    before = plain.fingerprint
    for name in (".ipynb_checkpoints", "__MACOSX"):
        for part in ("train", "test", "train/cat"):
            copied = tmp_path / part / name / "0.png"
            copied.parent.mkdir()
            copied.write_bytes((tmp_path / "train" / "cat" / "0.png").read_bytes())
    for name in (".DS_Store", "Thumbs.db", "._0.png"):
        (tmp_path / "train" / "cat" / name).write_bytes(b"\0")
        (tmp_path / "train" / name).write_bytes(b"\0")
    source = open_source(FolderParameters(path=str(tmp_path)))
    assert source.class_names == ("cat", "dog")
    assert source.fingerprint == before
    assert source.notes == ()


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    folders(tmp_path)
    for name in ("labels.csv", "a.heic", "b.heic", "c.heic"):
        (tmp_path / "train" / "dog" / name).write_text("x")
    (tmp_path / "train" / "dog" / "more.png").mkdir()
    for file in (tmp_path / "test" / "dog").iterdir():
        file.unlink()
    left_out, untested = open_source(FolderParameters(path=str(tmp_path))).notes
    folder = tmp_path / "train" / "dog"
    assert left_out == (f"{folder}: a.heic, b.heic, c.heic and 2 more left out, by name no image")
    assert untested == f"{tmp_path / 'test'}: no image of class 'dog', which is not tested"


def test_a_class_without_an_image_is_named(tmp_path: Path) -> None:
    folders(tmp_path)
    (tmp_path / "train" / "cow").mkdir()
    (tmp_path / "train" / "cow" / "x.txt").write_text("x")
    with pytest.raises(UserError, match=r"train/cow: no image in it .*expected some in the folder"):
        assert open_source(FolderParameters(path=str(tmp_path))).samples
    (tmp_path / "single" / "cat").mkdir(parents=True)
    with pytest.raises(UserError, match="single: one folder, expected one for each class, and two"):
        assert open_source(FolderParameters(path=str(tmp_path / "single"))).samples


def test_sixteen_bits_on_a_scale_of_their_own_are_refused(tmp_path: Path) -> None:
    for name, top in (("cat", 4095), ("dog", 900)):
        (tmp_path / name).mkdir()
        for i in range(3):
            deep = np.full((4, 4), top - i, np.uint16)
            Image.fromarray(deep).save(tmp_path / name / f"{i}.png")
    with pytest.raises(UserError, match=r"cat/0\.png: the brightest .* with 4095 of 65535"):
        assert open_source(FolderParameters(path=str(tmp_path))).samples
    Image.fromarray(np.full((4, 4), 4096, np.uint16)).save(tmp_path / "dog" / "0.png")
    source = open_source(FolderParameters(path=str(tmp_path)))
    parts = source.train(0, 0, 9), source.test(9)
    assert max(joined(chunks)[0].max() for chunks in parts if chunks is not None) == 16
