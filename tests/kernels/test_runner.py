"""The host runner shows the faults it is there for."""

from __future__ import annotations

import numpy as np
import pytest

from tests.helpers.kernels import host

THREADS = 96


@pytest.fixture(scope="module", params=["native", "ucontext"])
def modules(request, build_folder):
    """The runner with both ways of switching between threads."""
    flags = () if request.param == "native" else ("-DCUDA_HOST_UCONTEXT",)
    return host.HostModules(lambda file: host.build(file, build_folder, flags))


def run(modules, name, *arguments):
    modules.find("runner.cu", name)((1,), (THREADS,), arguments)


def rotated(modules, order, with_barrier):
    modules.order = order
    values, out = np.arange(THREADS, dtype=np.uint32), np.zeros(THREADS, np.uint32)
    run(modules, "rotate", values, out, np.int32(with_barrier))
    return np.array_equal(out, np.roll(values, -1))


def test_a_missing_barrier_shows_in_every_order(modules):
    assert all(rotated(modules, order, True) for order in range(6))
    assert not any(rotated(modules, order, False) for order in range(6))


@pytest.mark.parametrize("poison", [0xA5C3E187, 0x12345678])
def test_unwritten_shared_memory_is_poison(modules, poison):
    modules.poison, out = poison, np.zeros(THREADS, np.uint32)
    run(modules, "unwritten", out)
    assert (out == poison).all()


def test_threads_that_wait_for_each_other_are_reported(modules):
    with pytest.raises(RuntimeError, match="waits for ever"):
        run(modules, "divided", np.zeros(1, np.uint32))


def test_orders_differ(modules):
    last = []
    for modules.order in range(8):
        out = np.zeros(1, np.uint32)
        run(modules, "last_one", np.zeros(1, np.uint32), out)
        last.append(int(out[0]))
    assert last[:4] == [THREADS - 1, 0, THREADS - 1, 0]
    assert len(set(last)) >= 5


@pytest.mark.parametrize("order", range(5))
def test_warp_and_block_reductions(modules, order):
    modules.order = order
    values = np.random.default_rng(order).integers(0, 1000, THREADS).astype(np.uint32)
    total, odd = np.zeros((2, THREADS // 32), np.uint32)
    most = np.zeros(THREADS, np.uint32)
    run(modules, "reductions", values, total, most, odd)
    warps = values.reshape(-1, 32)
    np.testing.assert_array_equal(total, warps.sum(1))
    np.testing.assert_array_equal(odd, (warps % 2 << np.arange(32)).sum(1))
    assert (most == values.max()).all()


def test_arguments_of_another_type_are_refused(modules):
    out = np.zeros(THREADS, np.uint32)
    for wrong in ((out, out, 1.0), (out, out.view(np.int32), np.int32(1)),
                  (out, out[::2], np.int32(1)), (out, out, np.int64(1))):  # fmt: skip
        with pytest.raises((TypeError, AttributeError)):
            run(modules, "rotate", *wrong)
