"""The benchmark networks of the split-deconvolution paper and the FCNs, as Keras models with any form of deconvolution.

Importing this loads no framework, and `names` and `published` need none.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "gap": ["gap_table", "published", "published_layers"],
        "registry": ["build", "names", "titles"],
        "table": ["layer_table"],
    },
)

del lazy_loader
