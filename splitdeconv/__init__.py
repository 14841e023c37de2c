"""Split deconvolution: transposed convolutions rewritten, exactly, as small stride-1 convolutions.

The method is Xu et al., "Accelerating Generative Neural Networks on Unmodified Deep Learning Processors - A Software
Approach", IEEE Transactions on Computers 69(8), 2020, arXiv 1907.01773. Importing this package loads no framework:
names resolve when first used.
"""

from importlib.metadata import version

import lazy_loader

__version__ = version("splitdeconv")
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

del version, lazy_loader
