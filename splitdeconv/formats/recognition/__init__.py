"""Identify what a file is by its content, and what to do with a file that is not a model."""
