"""Real trained generators: fetched once, nothing executed, rebuilt in Keras in any form.

Importing this loads no framework; `load` needs Keras, `samples` of photographs scikit-image.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

del lazy_loader
