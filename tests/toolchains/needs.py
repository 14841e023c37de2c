"""Marks of tests that run a toolchain, by what is installed: what the code under test says of it
skips nothing.
"""

from importlib.util import find_spec

import pytest


def needs(*modules):
    """Skip a test where one of these modules is not installed."""
    missing = [module for module in modules if find_spec(module) is None]
    return pytest.mark.skipif(bool(missing), reason=f"{' and '.join(missing)} not installed")
