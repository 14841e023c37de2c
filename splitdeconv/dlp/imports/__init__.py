"""Architectures of other simulators, read as processors of this model."""
