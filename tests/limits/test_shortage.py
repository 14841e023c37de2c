"""What says that memory or room was lacking, and what says something else."""

import os
from errno import EMFILE, ENOMEM, ENOSPC

import numpy as np
import pytest

from splitdeconv.limits import shortage


@pytest.mark.parametrize(
    "text",
    [
        os.strerror(ENOMEM),
        "libx.so: failed to map segment from shared object",
        "can't start new thread",
        "terminate called after throwing an instance of 'std::bad_alloc'",
        "Vela ended with code 1: MemoryError",
        "Failed to allocate memory for requested buffer of size 17179869184",
        "DefaultCPUAllocator: can't allocate memory: you tried to allocate 17179869184 bytes",
        "DefaultCPUAllocator: not enough memory: you tried to allocate 17179869184 bytes",
        "OOM when allocating tensor with shape[1,2]",
        "RESOURCE_EXHAUSTED: Out of memory allocating 4294967296 bytes",
    ],
)
def test_a_failed_allocation(text):
    assert shortage.of_memory(f"RuntimeError: {text}")
    assert shortage.of_anything(text)


def test_the_words_of_numpy():
    with pytest.raises(MemoryError) as caught:
        np.empty(1 << 60, "uint8")
    assert shortage.of_memory(str(caught.value))


@pytest.mark.parametrize("number", [ENOSPC, EMFILE])
def test_a_lack_of_something_else(number):
    assert not shortage.of_memory(os.strerror(number))
    assert shortage.of_anything(os.strerror(number))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no kernel for this type",
        "Vela leaves MemoryCopy to the CPU, which it does not estimate",
        "RESOURCE_EXHAUSTED: Ran out of memory in memory space hbm",  # of the device
        "failed to allocate tensors: node 3 (TRANSPOSE_CONV) failed to prepare",
    ],
)
def test_a_refusal_of_the_model(text):
    assert not shortage.of_anything(text)
