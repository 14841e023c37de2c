"""Deep-learning processors: what a network costs on one, by a model of its array, its memories and its energy.

The cycles are those of SCALE-Sim (Samajdar et al., arXiv 1811.02883) to the cycle, traffic is the least over loop
orders, energy is counted event by event. Every number of a processor carries its origin. No framework is imported.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

del lazy_loader
