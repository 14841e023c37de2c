"""Proof by value: run two models on the same inputs, as a whole and operator by operator."""
