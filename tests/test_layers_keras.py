"""Keras' own tests of its transposed convolutions pass with the twins in their place."""

import pytest

from tests.kerass_tests import own_tests


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_kerass_own_tests_of_its_layers_pass_with_the_twins(backend, tmp_path):
    assert own_tests(backend, tmp_path) > 10
