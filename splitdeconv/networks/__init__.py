"""The benchmark networks of the split-deconvolution paper and the FCNs, in any form.

Importing this loads no framework, and `names` and `published` need none.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

del lazy_loader
