"""What the notebook runner promises beyond what make can see."""

import signal
from contextlib import suppress

import pytest

from tools.run_notebook import interruptible


@pytest.mark.parametrize("swallowed", [False, True])
def test_an_interrupt_counts_even_if_a_library_swallows_it(swallowed):
    usual, reached = signal.getsignal(signal.SIGINT), []
    with pytest.raises(KeyboardInterrupt), interruptible():
        with suppress(KeyboardInterrupt) if swallowed else suppress():
            signal.raise_signal(signal.SIGINT)
        reached.append("the end")
    assert reached == ["the end"] * swallowed
    assert signal.getsignal(signal.SIGINT) is usual


def test_without_an_interrupt_nothing_happens():
    with interruptible():
        pass
