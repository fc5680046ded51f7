"""Arrays go to torch and back without a copy: the same memory, seen from both sides."""

from __future__ import annotations

import numpy as np
import pytest

from htmrun.backends.bits import Bits
from htmrun.backends.torch_arrays import bits_from_torch, bits_to_torch, from_torch, to_torch
from tests import conftest

torch = pytest.importorskip("torch")


def test_dense_arrays_share_their_memory():
    array = np.arange(12, dtype=np.int16).reshape(3, 4)
    tensor = to_torch(array)
    assert tensor.data_ptr() == array.ctypes.data
    tensor[1, 2] = 77
    assert array[1, 2] == 77
    back = from_torch(tensor)
    assert back.ctypes.data == array.ctypes.data
    assert (back.dtype, back.shape) == (array.dtype, array.shape)


def test_a_tensor_that_wants_gradients_comes_without_them():
    tensor = torch.ones(5, requires_grad=True)
    assert from_torch(tensor * 1).tolist() == [1.0] * 5
    assert from_torch(tensor).ctypes.data == tensor.data_ptr()


def test_bits_share_their_memory():
    bits = Bits.from_rows(20, [[1, 5], [], [0, 19]])
    indices, offsets = bits_to_torch(bits)
    assert indices.data_ptr() == bits.indices.ctypes.data
    assert offsets.data_ptr() == bits.offsets.ctypes.data
    again = bits_from_torch(20, indices, offsets)
    assert again.indices.ctypes.data == bits.indices.ctypes.data
    assert again.offsets.ctypes.data == bits.offsets.ctypes.data
    np.testing.assert_array_equal(again.dense(), bits.dense())


def test_what_would_need_a_copy_is_refused():
    indices, offsets = torch.arange(8, dtype=torch.int32), torch.tensor([0, 4])
    with pytest.raises(ValueError, match=r"indices: found int64 \(8,\), expected int32"):
        bits_from_torch(20, indices.long(), offsets)
    with pytest.raises(ValueError, match=r"indices: found values on cpu, strides \(2,\)"):
        bits_from_torch(20, indices[::2], offsets)
    with pytest.raises(ValueError, match="offsets: found int32"):
        bits_from_torch(20, indices, offsets.int())
    locked = np.zeros(3)
    locked.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        to_torch(locked)
    with pytest.raises(ValueError, match="found a tensor on meta, expected cpu or cuda"):
        from_torch(torch.empty(3, device="meta"))


@pytest.mark.gpu
def test_arrays_on_a_card_share_their_memory():
    if conftest.ON_HOST or not torch.cuda.is_available():
        pytest.skip("needs a torch that sees the card")
    import cupy

    array = cupy.arange(12, dtype=cupy.int16).reshape(3, 4)
    tensor = to_torch(array)
    assert tensor.is_cuda
    assert tensor.data_ptr() == array.data.ptr
    tensor[1, 2] = 77
    torch.cuda.synchronize()
    assert int(array[1, 2]) == 77
    assert from_torch(tensor).data.ptr == array.data.ptr
