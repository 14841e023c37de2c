"""Split deconvolution: transposed convolutions rewritten, exactly, as small stride-1 convolutions.

The method is Xu et al., "Accelerating Generative Neural Networks on Unmodified Deep Learning
Processors - A Software Approach", IEEE Transactions on Computers 69(8), 2020, arXiv 1907.01773.
Importing this package loads no framework: names resolve when first used.
"""

from . import lazily

_lazily, __dir__, __all__ = lazily.attach(__name__, __file__)

del lazily


def __getattr__(name: str) -> object:
    """A public name, loaded when first used; so is the version, which takes long to look up."""
    if name == "__version__":
        from .release import version

        return version()
    return _lazily(name)
