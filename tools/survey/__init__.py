"""Convert a hundred networks of others, and compare and time what comes out.

``make survey`` installs the libraries that define them into build/survey, on top of build/torch,
and runs `tools.survey` there. Each network of benchmarks/networks.yaml is made from its library's
configuration with seeded weights, written by the exporters that people use, inspected, converted,
compared by code that shares nothing with `splitdeconv.verify`, and timed. The answers go to
data/measured/models.csv; what the table holds is not asked again.

Data flows from `entries` (what there is to do) through `makers` (a file, inputs and the outputs
that its own framework gives) and `judge` (what became of it) to `__main__` (the table).
"""
