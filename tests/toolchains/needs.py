"""Marks of tests that run a toolchain, by what is installed, whatever the code says."""

from importlib.util import find_spec

import pytest


def needs(*modules):
    """Skip a test where one of these modules is not installed."""
    missing = [module for module in modules if find_spec(module) is None]
    return pytest.mark.skipif(bool(missing), reason=f"{' and '.join(missing)} not installed")
