"""Which back ends of PyTorch accept a transposed convolution, and which its conversion.

``make backends`` installs ExecuTorch, LiteRT Torch and torchao into build/backends, on top of
build/torch, and runs `tools.backends` there: one layer for each public thread of
data/reference/refused.csv, before and after `splitdeconv.convert`. The answers go to
data/measured/backends.csv.
"""
