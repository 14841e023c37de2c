"""A design space: every network and method on every processor that axes of values span."""
