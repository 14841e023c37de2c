"""Model files with every transposed convolution split: the same format out, and a proof by value.

Importing this loads no framework: names resolve when first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

del lazy_loader
