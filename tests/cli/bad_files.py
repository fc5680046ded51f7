"""Files with something wrong: how they are made, the command that reads them, what its line says."""

# ruff: noqa: E501 - a row is a line.
from __future__ import annotations

import gzip
import io
import os
import struct
import zipfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from tests.helpers.bad_input import Bad

TIB = 1 << 40


def write(name: str, content: bytes | str | Callable[[], bytes]) -> None:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    content = content() if callable(content) else content
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def file(name: str, content: bytes | str | Callable[[], bytes]) -> Callable[[], None]:
    return partial(write, name, content)


def zeros_packed(count: int) -> bytes:
    """Return a gzip file of so many zeros, a thousandth as long."""
    return gzip.compress(bytes(1 << 24)) * (count >> 24)


def rows(*lines: str) -> str:
    return "\n".join(("when,load", *lines)) + "\n"


HOURS = [f"2026-01-{1 + h // 24:02d} {h % 24:02d}:00,{h % 7}.5" for h in range(100)]
GOOD = rows(*HOURS)
LATE = [*HOURS * 20]  # Beyond the rows that are looked at first.


def spread(bad: str, count: int = 1500) -> str:
    """Return a table whose last row, beyond those that are looked at first, is `bad`."""
    made = [
        f"{1970 + i // 300}-{1 + i // 25 % 12:02d}-{1 + i % 25:02d},{i % 7}" for i in range(count)
    ]
    return rows(*made, bad)


SERIES: list[tuple[str, bytes | str | Callable[[], bytes], str, str]] = [
    ("empty", b"", "", "a.csv: found an empty file"),
    ("blank lines only", "\n\n\n", "", "a.csv: found an empty file"),
    ("header only", "when,load\n", "", "a.csv: found no rows"),
    ("no header", "1,2\n3,4\n", "", "a.csv:1: found the number '1'"),
    ("two columns of one name", "load,load\n1,2\n", "", "a.csv:1: found two columns called 'load'"),
    ("a row too short", rows("2026-01-01,1", "2026-01-02"), "", "a.csv:3: found 1 column"),
    ("a row too long", rows("2026-01-01,1", "2026-01-02,2,3"), "", "a.csv:3: found 3 columns"),
    ("a quote that never ends", GOOD + '2026-02-01 00:00,"1\n' * 1, "", "a.csv:"),
    ("zero bytes", GOOD.encode() + b"2026-02-01,\x00\n", "", "a.csv:102"),
    ("UTF-16 without a mark", GOOD.encode("utf-16-le"), "", "data.encoding"),
    ("bytes of latin-1", "when,höhe\n2026-01-01,1\n".encode("latin-1"), "", "a.csv"),
    ("a picture", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 9, "", "a.csv"),
    ("a cell of a megabyte", rows("2026-01-01," + "1" * (1 << 20)), "", "a.csv"),
    ("a line of 64 MB", lambda: b"when,load\n" + b"1," * (1 << 25), "", "a.csv"),
    (
        "20,000 columns of numbers",
        ",".join(f"c{i}" for i in range(20_000)) + "\n" + "1," * 19_999 + "1\n",
        "",
        "data.value",
    ),
    ("a number too large", rows("2026-01-01,1", "2026-01-02,1e400"), "", "a.csv:3: found '1e400'"),
    ("infinity", rows("2026-01-01,1", "2026-01-02,inf"), "", "a.csv:3: found 'inf'"),
    (
        "values of 1e308",
        rows("2026-01-01,1", "2026-01-02,1e308", "2026-01-03,-1e308"),
        "",
        "a.csv:3: found '1e308'",
    ),
    ("a number of 5,000 digits", rows("2026-01-01,1", "2026-01-02," + "9" * 5000), "", "a.csv:3"),
    ("a text among numbers", rows("2026-01-01,1", "2026-01-02,abc"), "", "a.csv:3: found 'abc'"),
    ("no value", rows("2026-01-01,1", "2026-01-02,"), "", "a.csv:3: found no value"),
    ("only missing values", rows(*["2026-01-01,NaN"] * 9), "data.value=load", "a.csv:2"),
    (
        "the first value missing",
        rows("2026-01-01,", "2026-01-02,1"),
        "data.missing=previous",
        "a.csv:2",
    ),
    (
        "mixed forms of dates",
        rows("2026-01-01,1", "02.01.2026,2", "Jan 3 2026,3", "1767571200,4"),
        "",
        "data.timestamp_format",
    ),
    ("another form of date far down", spread("03/04/2099,1"), "", "a.csv:1502: found '03/04/2099'"),
    ("a day that is none", rows("2026-02-28,1", "2026-02-30,2"), "", "2026-02-30"),
    ("a year of five digits", rows("2026-02-27,1", "12026-02-28,2"), "", "12026-02-28"),
    (
        "seconds beyond any calendar",
        "when,load\n" + "9" * 30 + ",1\n" + "9" * 31 + ",2\n",
        "data.timestamp=when data.timestamp_format=epoch_s",
        "a.csv:2",
    ),
    (
        "a date of 5,000 digits",
        "when,load\n" + "9" * 5000 + ",1\n8,2\n",
        "data.timestamp=when data.timestamp_format=epoch_s",
        "a.csv:2",
    ),
    (
        "a date of superscripts",
        "when,load\n²,1\n³,2\n",
        "data.timestamp=when data.timestamp_format=epoch_s data.value=load",
        "a.csv:2",
    ),
    (
        "years of superscripts",
        "year,load\n²⁰²⁰,1\n²⁰²¹,2\n",
        "data.timestamp=year data.value=load",
        "data.timestamp",
    ),
    ("a format of dates that is none", GOOD, "data.timestamp_format=%Q%Q", "data.timestamp_format"),
    ("a format that ends in %", GOOD, "'data.timestamp_format=\"%\"'", "data.timestamp_format"),
    ("a format with %U", GOOD, "'data.timestamp_format=\"%Y %U\"'", "data.timestamp_format"),
    (
        "a format that names a year twice",
        GOOD,
        "'data.timestamp_format=\"%Y%Y\"'",
        "data.timestamp_format",
    ),
    ("times that go back", rows("2026-01-02,1", "2026-01-01,2"), "", "a.csv:3"),
    ("times that stand still", rows(*["2026-01-01,1"] * 9), "", "a.csv"),
    ("an encoding that is none", GOOD, "data.encoding=utf-99", "data.encoding"),
    ("an encoding that is no text", GOOD, "data.encoding=base64", "data.encoding"),
    ("an encoding with a zero byte", GOOD, "'data.encoding=\"a\\0b\"'", "data.encoding"),
    ("a delimiter of two characters", GOOD, "'data.delimiter=\";;\"'", "data.delimiter"),
    ("a delimiter that is a quote", GOOD, '\'data.delimiter="\\""\'', "data.delimiter"),
    ("a delimiter that ends lines", GOOD, "'data.delimiter=\"\n\"'", "data.delimiter"),
    ("thousands that are a digit", GOOD, "'data.thousands=\"1\"'", "data.thousands"),
    ("one sign twice", GOOD, "'data.thousands=\",\"' 'data.decimal=\",\"'", "data."),
    ("a column that is not there", GOOD, "data.value=lod", "did you mean 'load'"),
    ("the date as value", GOOD, "data.value=when", "a.csv:2"),
    ("no row is chosen", GOOD, "'data.where={when: x}'", "no rows are left"),
    ("all rows skipped", GOOD, "data.skip_rows=1000", "skip_rows = 1000"),
    ("all lines skipped", GOOD, "data.skip_lines=1000", "a.csv: found an empty file"),
    ("scored beyond the file", GOOD, "data.score_from=100000", "data.score_from: found 100000"),
    ("a change beyond the file", GOOD, "data.drift_at=100000", "data.drift_at: found 100000"),
    ("one row", rows("2026-01-01,1"), "", "goes from 1 to 1"),
]

PACKED: list[tuple[str, str, bytes | Callable[[], bytes], str]] = [
    ("gzip that is none", "a.csv.gz", GOOD.encode(), "a.csv.gz: broken gzip"),
    ("gzip cut in its header", "a.csv.gz", gzip.compress(GOOD.encode())[:5], "a.csv.gz: broken gzip"),
    ("gzip cut in the middle", "a.csv.gz", gzip.compress(GOOD.encode())[:60], "a.csv.gz: broken gzip"),
    ("gzip without its end", "a.csv.gz", gzip.compress(GOOD.encode())[:-4], "a.csv.gz: broken gzip"),
    ("gzip with a bit flipped", "a.csv.gz", (lambda b: b[:50] + bytes([b[50] ^ 8]) + b[51:])(gzip.compress(GOOD.encode())), "a.csv.gz"),
    ("gzip with another checksum", "a.csv.gz", (lambda b: b[:-8] + b"abcd" + b[-4:])(gzip.compress(GOOD.encode())), "a.csv.gz: broken gzip"),
    ("gzip of nothing", "a.csv.gz", gzip.compress(b""), "a.csv.gz: found an empty file"),
    ("gzip followed by text", "a.csv.gz", gzip.compress(GOOD.encode()) + b"more", "a.csv.gz: broken gzip"),
    ("gzip of 4 GiB of zeros", "a.csv.gz", lambda: zeros_packed(4 << 30), "a.csv.gz"),
]  # fmt: skip


def idx(
    kind: int, shape: tuple[int, ...], content: bytes = b"", dimensions: int | None = None
) -> bytes:
    head = struct.pack(">BBBB", 0, 0, kind, len(shape) if dimensions is None else dimensions)
    return head + b"".join(struct.pack(">I", n) for n in shape) + content


IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
WHOLE = {
    IMAGES: idx(8, (20, 9, 9), bytes(range(81)) * 20),
    LABELS: idx(8, (20,), bytes(i % 2 for i in range(20))),
    "t10k-images-idx3-ubyte": idx(8, (10, 9, 9), bytes(range(81)) * 10),
    "t10k-labels-idx1-ubyte": idx(8, (10,), bytes(i % 2 for i in range(10))),
}


def idx_folder(**changed: bytes | Callable[[], bytes] | None) -> None:
    """Write four files that are right but for those of train that are given; None: left out."""
    names = {"images": IMAGES, "labels": LABELS}
    files = {**WHOLE, **{names[n]: content for n, content in changed.items()}}
    for name, content in files.items():
        if content is not None:
            made = content() if callable(content) else content
            packed = made[:2] == b"\x1f\x8b"
            write(f"idx/{name}.gz" if packed else f"idx/{name}", made)


IDX: list[tuple[str, dict[str, bytes | Callable[[], bytes] | None], str]] = [
    ("empty", {"images": b""}, IMAGES),
    ("three bytes", {"images": b"\0\0\x08"}, IMAGES),
    ("a text", {"images": b"hello, world"}, IMAGES),
    ("a type that is none", {"images": idx(7, (20, 9, 9), bytes(1620))}, IMAGES),
    ("65 dimensions", {"images": idx(8, (1,) * 65, b"x")}, IMAGES),
    ("255 dimensions", {"images": idx(8, (), dimensions=255)}, IMAGES),
    ("no dimension", {"labels": idx(8, (), b"x")}, LABELS),
    ("cut", {"images": WHOLE[IMAGES][:-1]}, IMAGES),
    ("one byte too many", {"images": WHOLE[IMAGES] + b"x"}, IMAGES),
    ("a header of an exabyte", {"images": idx(8, (1 << 31, 1 << 31, 4))}, IMAGES),
    ("a packed header of an exabyte", {"images": gzip.compress(idx(8, (1 << 31, 1 << 31, 4)))}, IMAGES),
    ("labels without end", {"labels": idx(8, (4_000_000_000,))}, LABELS),
    ("no image", {"images": idx(8, (0, 9, 9)), "labels": idx(8, (0,))}, IMAGES),
    ("images without pixels", {"images": idx(8, (20, 0, 9))}, IMAGES),
    ("fractions", {"images": idx(13, (20, 9, 9), bytes(4 * 1620))}, IMAGES),
    ("labels of fractions", {"labels": idx(13, (20,), bytes(80))}, LABELS),
    ("labels of two axes", {"labels": idx(8, (20, 1), bytes(20))}, LABELS),
    ("fewer labels", {"labels": idx(8, (19,), bytes(19))}, LABELS),
    ("no labels", {"labels": None}, LABELS),
    ("images of another size", {"images": idx(8, (20, 8, 8), bytes(1280))}, "(8, 8)"),
    ("gzip cut", {"images": gzip.compress(WHOLE[IMAGES])[:40]}, IMAGES),
    ("gzip with a bit flipped", {"images": (lambda b: b[:-20] + bytes([b[-20] ^ 1]) + b[-19:])(gzip.compress(WHOLE[IMAGES]))}, IMAGES),
    ("4 GiB of zeros packed", {"images": lambda: zeros_packed(4 << 30)}, IMAGES),
    ("a true header and 4 GiB packed behind it", {"images": lambda: gzip.compress(WHOLE[IMAGES]) + zeros_packed(4 << 30)}, IMAGES),
]  # fmt: skip


def npy(
    shape: tuple[int, ...], dtype: str = "|u1", content: bytes = b"", order: str = "False"
) -> bytes:
    text = f"{{'descr': {dtype!r}, 'fortran_order': {order}, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + content


PARTS = {
    "x_train": npy((20, 9, 9), content=bytes(range(81)) * 20),
    "y_train": npy((20,), content=bytes(i % 2 for i in range(20))),
    "x_test": npy((10, 9, 9), content=bytes(range(81)) * 10),
    "y_test": npy((10,), content=bytes(i % 2 for i in range(10))),
}


def npz(packed: bool = False, **changed: bytes | Callable[[], bytes] | None) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as made:
        for name, content in {**PARTS, **changed}.items():
            if content is not None:
                made.writestr(f"{name}.npy", content() if callable(content) else content)
    return file.getvalue()


def bomb_npz() -> bytes:
    """Return an archive of a megabyte with one array of a gigabyte."""
    whole = npy((1 << 22, 16, 16)) + bytes(1 << 30)
    return npz(packed=True, x_train=whole, y_train=npy((1 << 22,), content=bytes(1 << 22)))


def objects() -> bytes:
    file = io.BytesIO()
    np.save(file, np.array([{}, []], dtype=object), allow_pickle=True)
    return file.getvalue()


NPZ: list[tuple[str, bytes | Callable[[], bytes], str]] = [
    ("empty", b"", "a.npz"),
    ("a text", b"hello", "a.npz"),
    ("an .npy called .npz", PARTS["x_train"], "a.npz"),
    ("cut", npz()[:300], "a.npz"),
    ("no array", npz(**dict.fromkeys(PARTS)), "train_images"),
    ("a header of 9 TiB", npz(x_train=npy((9 * TIB,))), "x_train"),
    ("a header of 9 TiB, packed", npz(packed=True, x_train=npy((9 * TIB // 64, 8, 8))), "x_train"),
    ("more axes than NumPy has", npz(x_train=npy((1,) * 70, content=b"x")), "x_train"),
    ("a negative length", npz(x_train=npy((-5, 9, 9))), "x_train"),
    ("a length beyond 64 bits", npz(x_train=npy((1 << 70, 9, 9))), "x_train"),
    ("a header that is code", npz(x_train=npy((1,), "__import__('os')")), "x_train"),
    ("a header that is cut", npz(x_train=b"\x93NUMPY\x01\x00\xff\xff{"), "x_train"),
    ("a header of brackets", npz(x_train=b"\x93NUMPY\x01\x00" + struct.pack("<H", 9000) + b"(" * 9000), "x_train"),
    ("another version", npz(x_train=b"\x93NUMPY\x09\x00" + bytes(100)), "x_train"),
    ("pickled objects", npz(x_train=objects()), "x_train"),
    ("cut pixels", npz(x_train=PARTS["x_train"][:-9]), "x_train"),
    ("fractions that are none", npz(x_train=npy((20, 9, 9), "<f4", np.full(1620, np.nan, "<f4").tobytes()), x_test=npy((10, 9, 9), "<f4", bytes(3240))), "x_train"),
    ("pixels of 1000", npz(x_train=npy((20, 9, 9), "<i2", np.full(1620, 1000, "<i2").tobytes()), x_test=npy((10, 9, 9), "<i2", bytes(1620))), "x_train"),
    ("complex pixels", npz(x_train=npy((20, 9, 9), "<c8", bytes(8 * 1620))), "x_train"),
    ("pixels of dates", npz(x_train=npy((20, 9, 9), "<M8[s]", bytes(8 * 1620))), "x_train"),
    ("pixels in records", npz(x_train=npy((20,), "|V9", bytes(180))), "x_train"),
    ("labels that are no bytes of UTF-8", npz(y_train=npy((20,), "|S1", b"\xff" * 20)), "y_train"),
    ("labels that are nan", npz(y_train=npy((20,), "<f4", np.full(20, np.nan, "<f4").tobytes())), "y_train"),
    ("labels of 1e300", npz(y_train=npy((20,), "<f8", np.full(20, 1e300, "<f8").tobytes()), y_test=npy((10,), "<f8", np.full(10, 1e300, "<f8").tobytes())), "y_train"),
    ("labels of 2^64", npz(y_train=npy((20,), "<u8", np.full(20, (1 << 64) - 1, "<u8").tobytes())), "y_train"),
    ("labels that are times", npz(y_train=npy((20,), "<m8[s]", bytes(160))), "y_train"),
    ("fewer labels", npz(y_train=npy((19,), content=bytes(19))), "x_train"),
    ("one label without axes", npz(y_train=npy((), content=b"x")), "x_train"),
    ("no image", npz(x_train=npy((0, 9, 9)), y_train=npy((0,))), "x_train"),
]  # fmt: skip


def png(
    width: int, height: int, bits: int = 8, colour: int = 0, data: bytes | None = None
) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        checked = kind + content
        return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    data = zlib.compress(bytes((width + 1) * height)) if data is None else data
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (chunk(b"IHDR", head), chunk(b"IDAT", data), chunk(b"IEND", b""))
    )


def pictures(content: bytes | Callable[[], bytes], name: str = "bad.png") -> None:
    for folder in "ab":
        for number in range(6):
            write(f"pictures/{folder}/{number}.png", png(9, 9))
    write(f"pictures/a/{name}", content)


PICTURES: list[tuple[str, bytes | Callable[[], bytes], str]] = [
    ("empty", b"", "bad.png"),
    ("a text", b"hello", "bad.png"),
    ("cut", png(9, 9)[:44], "bad.png"),
    ("another size", png(8, 9), "bad.png"),
    ("no pixel", png(0, 9), "bad.png"),
    ("a bomb that Pillow warns of", partial(png, 10_000, 10_000), "bad.png"),
    ("a bomb that Pillow refuses", partial(png, 30_000, 30_000, data=zlib.compress(b"")), "bad.png"),
    ("2^31 pixels wide", png(1 << 31, 1, data=b""), "bad.png"),
    ("damaged pixels", png(9, 9, data=b"garbage"), "bad.png"),
    ("a text of 2 GB in it", lambda: png(9, 9)[:-12] + (lambda c: struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)))(b"zTXtx\0\0" + zlib.compress(bytes(1 << 27))) + png(9, 9)[-12:], "bad.png"),
    ("a GIF without pixels", b"GIF89a\xff\xff\xff\xff\0\0\0;", "bad.png"),
    ("a PGM of 10^10 pixels", b"P5 100000 100000 255\n", "bad.png"),
    ("a PGM of a number of 5,000 digits", b"P5 " + b"9" * 5000 + b" 1 255\n", "bad.png"),
    ("a BMP of negative width", b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, -9, 9, 1, 8, 0, 0, 0, 0, 0, 0), "bad.png"),
    ("a TIFF with a circle", b"II*\0\x08\0\0\0\0\0\x08\0\0\0", "bad.png"),
]  # fmt: skip


def special(kind: str, name: str) -> None:
    """Make what is no file to be read: a FIFO, a folder, a link that leads to itself, ..."""
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "loop":
        path.symlink_to(path.name)
    elif kind == "dangling":
        path.symlink_to("nowhere")
    elif kind in ("/dev/zero", "/dev/null", "/dev/urandom"):
        path.symlink_to(kind)


KINDS = ("fifo", "folder", "loop", "dangling", "/dev/zero", "/dev/urandom")
SERIES_OF, IDX_OF, NPZ_OF, PICTURES_OF = (
    ("experiment=stream", "data.path=a.csv"),
    ("experiment=mnist", "data.path=idx"),
    ("experiment=mnist", "data=npz", "data.path=a.npz"),
    ("experiment=mnist", "data=folder", "data.path=pictures"),
)
READERS = {
    "series": ("a.csv", SERIES_OF, ""),
    "packed series": ("a.csv.gz", SERIES_OF, "data.path=a.csv.gz"),
    "npz": ("a.npz", NPZ_OF, ""),
    "idx": (f"idx/{IMAGES}", IDX_OF, ""),
    "picture": ("pictures/a/bad.png", PICTURES_OF, ""),
    "configuration": ("my.yaml", (), ""),
}


def special_among(kind: str, name: str) -> None:
    if name.startswith("idx/"):
        idx_folder(images=None)
    elif name.startswith("pictures/"):
        pictures(b"")
        os.unlink(name)
    special(kind, name)


def case(
    name: str, make: Callable[[], object], expected: str, given: tuple[str, ...], settings: str = ""
) -> Bad:
    return Bad(name, make, f"train my.yaml {settings}", expected, given=given)


BAD = [
    *(case(f"csv: {name}", file("a.csv", content), expected, SERIES_OF, settings)
      for name, content, settings, expected in SERIES),
    *(case(f"csv: {name}", file(where, content), expected, SERIES_OF, f"data.path={where}")
      for name, where, content, expected in PACKED),
    *(case(f"idx: {name}", partial(idx_folder, **changed), expected, IDX_OF)
      for name, changed, expected in IDX),
    *(case(f"npz: {name}", file("a.npz", content), expected, NPZ_OF)
      for name, content, expected in NPZ),
    case("npz: a gigabyte in a megabyte", file("a.npz", bomb_npz), "data.max_bytes", NPZ_OF,
         "data.max_bytes=100000000"),
    *(case(f"picture: {name}", partial(pictures, content), expected, PICTURES_OF)
      for name, content, expected in PICTURES),
    *(case(f"{reader}: {kind}", partial(special_among, kind, where), Path(where).name, given, more)
      for reader, (where, given, more) in READERS.items() for kind in KINDS if (reader, kind) != ("picture", "folder")),
]  # fmt: skip
