"""Proof by value: two models run on the same inputs, whole and operator by operator."""
