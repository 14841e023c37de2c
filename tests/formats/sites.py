"""Transposed convolutions as a format module finds them, made up."""

import splitdeconv as sd
from splitdeconv.formats.site import Site


def site(size=(8, 8), kernel=5, strides=2, padding="SAME", cin=16, cout=8, groups=1, **more):
    """One `Site`; `more` are its other fields."""
    axes = sd.plan(size, kernel, strides, padding, groups=groups).axes
    fields = {"name": "up", "operator": "TRANSPOSE_CONV", "dtype": "float32"} | more
    return Site(axes=axes, groups=groups, in_channels=cin, out_channels=cout, **fields)
