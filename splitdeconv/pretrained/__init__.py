"""Real trained generators: fetched once, nothing executed, rebuilt in Keras in any form.

Importing this loads no framework; `load` needs Keras, `samples` of photographs scikit-image.
"""

from .. import lazily

__getattr__, __dir__, __all__ = lazily.attach(__name__, __file__)

del lazily
