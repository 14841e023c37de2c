"""The benchmark networks of the split-deconvolution paper and the FCNs, in any form.

Importing this loads no framework, and `names` and `published` need none.
"""

from .. import lazily

__getattr__, __dir__, __all__ = lazily.attach(__name__, __file__)

del lazily
