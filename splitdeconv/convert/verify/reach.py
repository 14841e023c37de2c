"""Whether changing one operator changes the outputs of a model."""

import numpy as np

from ...core.typing import NumpyArray
from ...formats.port import RejectedError
from ...formats.site import Site
from .entry import Pair
from .inputs import find_recipe
from .run import load
from .tables import described


def reaches_output(pair: Pair, site: Site) -> bool:
    """Whether at least one output of the original changes when the values of a site change.

    Args:
        pair: the whole models.
        site: one of the original's transposed convolutions.
    """
    spoiled = None if site.key is None else pair.format.spoiled(pair.original, site)
    if spoiled is None:
        return False
    try:
        ours = pair.load_original()
        theirs = load(pair.format, spoiled, pair.path)
        for name, run in ours.items():
            ports = described(pair.format, pair.original, run.inputs)
            recipe, _ = find_recipe(run, ports, pair.seed, pair.growth)
            if recipe is None:
                continue
            feed = recipe.draw(ports, 0, pair.seed)
            y, z = run(feed), theirs[name](feed)
            if any(not np.array_equal(y[key], z[key], equal_nan=_floats(y[key])) for key in y):
                return True
    except (RejectedError, KeyError):
        return False
    return False


def _floats(array: NumpyArray) -> bool:
    return array.dtype.kind in "fc"
