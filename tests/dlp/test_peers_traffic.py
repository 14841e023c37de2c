"""DRAM words beside accelforge's, on its kept results."""

import numpy as np

from splitdeconv.study import measured
from tools.peers import __main__ as peers
from tools.peers.shared import least, shape


def words(moved, who):
    return moved[[f"{who}_{name}" for name in ("input", "weight", "output")]]


def test_accelforge_counts_our_words():
    moved = measured.read("peers_traffic")
    assert list(moved[["network", "method", "layer"]].itertuples(index=False, name=None)) == [
        *peers.LAYERS
    ]
    ours = [list(best[:3]) for best in (least(shape(row), peers.SHARED) for row in stated())]
    assert words(moved, "ours").to_numpy().tolist() == ours
    # Our nest in accelforge's model: to the word where tiles cut the map evenly.
    same = moved[moved["same"]]
    assert len(same) >= 10
    assert (words(same, "given").to_numpy() == words(same, "ours").to_numpy()).all()
    # Most are more than moving everything once.
    assert (words(same, "ours").sum(axis=1) > 1.1 * once(same)).sum() >= 7
    # Elsewhere accelforge counts fractions of a tile: fewer words, by less than a tile in each
    # direction.
    uneven = moved[~moved["same"]]
    ratio = words(uneven, "given").sum(axis=1) / words(uneven, "ours").sum(axis=1)
    assert ratio.between(0.9, 1).all()
    # And its own search finds no nest that moves less.
    assert (words(moved, "found").sum(axis=1) >= words(moved, "ours").sum(axis=1)).all()


def stated():
    return peers.stated().to_dict("records")


def once(moved):
    """Words if everything is moved once."""
    sizes = [shape(row) for row in stated()]
    totals = [
        one.height.extent * one.width.extent * one.c_in + one.filters + one.outputs for one in sizes
    ]
    return np.array(totals)[moved.index]
