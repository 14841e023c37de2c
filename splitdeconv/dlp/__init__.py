"""A model of deep-learning processors that predicts the cost of a network.

The cycles are those of SCALE-Sim (Samajdar et al., arXiv 1811.02883) to the cycle, traffic is the
least that any loop nest moves, energy is counted event by event. Every value of a processor has a
stated origin. No framework is imported.
"""

from .. import lazily

__getattr__, __dir__, __all__ = lazily.attach(__name__, __file__)

del lazily
