"""Choose the form of each transposed convolution by its cost on one processor, and prove it there.

`splitdeconv.tune` is the entry. An oracle costs one layer in every variant (`oracle`, `oracles`),
`costing` asks it once for each geometry and keeps the answers (`store`), `choose` takes what is
better beyond its uncertainty, and `whole` measures the whole model and takes back what did not
come true.
"""
