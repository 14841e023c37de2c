"""What every refusal has in common."""

from contextlib import contextmanager

import pytest

from splitdeconv import SplitDeconvError


@contextmanager
def refused(match):
    """The body raises one SplitDeconvError, which says what `match` says and where, what was
    expected and what came.
    """
    with pytest.raises(SplitDeconvError, match=match) as caught:
        yield caught
    error = caught.value
    assert error.where
    assert error.expected
    assert error.got
    assert all(f"\n  {label}: " in str(error) for label in ("where", "expected", "got"))
