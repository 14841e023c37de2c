"""Split every transposed convolution in a model file, and verify the result by value.

The file format is kept. Importing this package loads no framework; names are resolved on first use.
"""

from .. import lazily

__getattr__, __dir__, __all__ = lazily.attach(__name__, __file__)

del lazily
