"""Real trained generators: fetched once, read without executing anything, rebuilt in Keras with any form.

Importing this loads no framework; `load` needs Keras, `samples` of photographs scikit-image.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "checkpoint": ["read_checkpoint"],
        "download": ["cache_folder", "cached", "fetch"],
        "generators": ["load"],
        "inputs": ["samples", "to_uint8"],
        "registry": ["entry", "files", "names", "of_network"],
    },
)

del lazy_loader
