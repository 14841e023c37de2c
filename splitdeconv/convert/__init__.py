"""Split every transposed convolution in a model file, and verify the result by value.

The file format is kept. Importing this package loads no framework; names are resolved on first use.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

del lazy_loader
