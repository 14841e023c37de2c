"""The explanation of a published sum adds up, and no other of its kind does."""

import pytest

from splitdeconv import networks
from splitdeconv.study import published


def _total(title):
    return networks.published().set_index("network").published_total_mmac[title]


def test_fst_s_total_is_explained_to_the_last_digit():
    layers = published.explained("FST").set_index("layer")
    assert list(layers.index[layers.changed]) == ["to_rgb"]
    # By hand: 256x256 outputs of a 9x9 convolution, 128 to 128 channels.
    assert layers.mmac["to_rgb"] == 256 * 256 * 9 * 9 * 128 * 128 / 1e6
    assert layers.mmac["residual"] == 10 * 64 * 64 * 3 * 3 * 128 * 128 / 1e6
    assert layers.mmac.sum() == pytest.approx(94730.452992, abs=1e-9)
    assert round(layers.mmac.sum(), 2) == _total("FST")


def test_no_other_last_layer_explains_it():
    layers = published.explained("FST").set_index("layer")
    rest = layers.mmac.drop("to_rgb").sum()
    powers = [2**power for power in range(12)]
    products = {c_in * c_out for c_in in powers for c_out in powers}
    found = {
        (kernel, product)
        for kernel in range(1, 12)
        for product in products
        if abs(rest + 256 * 256 * kernel**2 * product / 1e6 - _total("FST")) < 0.005
    }
    assert found == {(9, 128 * 128)}


def test_other_sums_have_no_explanation():
    assert published.explained("DCGAN").empty
    assert published.explained("MDE").mmac.sum() == 0
