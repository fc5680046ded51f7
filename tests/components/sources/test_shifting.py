"""Training images moved by a few pixels, beside SciPy's shift."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from htmrun.components.sources import open_source
from htmrun.components.sources.digits import DigitsParameters
from htmrun.components.sources.shifting import moved, offsets
from htmrun.errors import UserError

DIGITS = DigitsParameters(held_out="best_epoch")


@pytest.mark.parametrize("shape", [(9, 6), (6, 9, 3)])
def test_images_are_moved_as_scipy_moves_them(shape):
    images = np.random.default_rng(0).integers(0, 256, (40, *shape), np.uint8)
    by = offsets(3, 1, np.arange(40), 4)
    for image, (down, right), found in zip(images, by, moved(images, by, 4), strict=True):
        along = (down, right, *(0 for _ in shape[2:]))
        wanted = ndimage.shift(image, along, order=0, mode="nearest")
        np.testing.assert_array_equal(found, wanted)


def test_every_move_is_equally_likely():
    by = offsets(0, 0, np.arange(50_000), 2)
    counts = np.bincount((by + 2) @ [5, 1], minlength=25)
    assert len(counts) == 25
    assert abs(counts - 2000).max() < 5 * 2000**0.5


def test_only_what_is_learned_moves_and_anew_in_each_epoch():
    plain = open_source(DIGITS)
    shifted = open_source(DIGITS.model_copy(update={"shift": 2}))
    first, second = (next(shifted.train(0, epoch, 2000)) for epoch in (0, 1))
    still = next(plain.train(0, 0, 2000))
    np.testing.assert_array_equal(first.target, still.target)
    assert 0.9 < (first.fields["image"] != still.fields["image"]).any((1, 2)).mean() < 1
    of_place = [np.sort(c.fields["image"].reshape(c.target.size, -1), 0) for c in (first, second)]
    assert (of_place[0] != of_place[1]).any()
    for part in ("test", "validation"):
        one, other = (next(getattr(s, part)(2000)) for s in (plain, shifted))
        np.testing.assert_array_equal(one.fields["image"], other.fields["image"])


def test_a_move_out_of_the_image_is_refused():
    with pytest.raises(UserError, match=r"^data\.shift: 8 moves images of 8 x 8 .* at most 7$"):
        open_source(DigitsParameters(shift=8)).samples  # noqa: B018
