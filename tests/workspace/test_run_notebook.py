"""What the notebook runner promises beyond what make can see."""

import signal
from contextlib import suppress

import pytest

from tools.run_notebook import interruptible


def interrupted(errors):
    with interruptible(), suppress(errors):
        signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("swallowed", [KeyboardInterrupt, ValueError])
def test_an_interrupt_counts_even_if_a_library_swallows_it(swallowed):
    usual = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        interrupted(swallowed)
    assert signal.getsignal(signal.SIGINT) is usual


def test_without_an_interrupt_nothing_happens():
    usual = signal.getsignal(signal.SIGINT)
    with interruptible():
        assert signal.getsignal(signal.SIGINT) is not usual
    assert signal.getsignal(signal.SIGINT) is usual
