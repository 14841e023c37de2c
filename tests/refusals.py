"""What every refusal has in common."""

from contextlib import contextmanager

import pytest

from splitdeconv import SplitDeconvError


@contextmanager
def refused(match):
    """The body raises one SplitDeconvError, whose four parts are there and fit `match`."""
    with pytest.raises(SplitDeconvError, match=match) as caught:
        yield caught
    error = caught.value
    assert error.where
    assert error.expected
    assert error.got
    assert all(f"\n  {label}: " in str(error) for label in ("where", "expected", "got"))
