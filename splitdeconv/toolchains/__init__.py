"""Inputs and outputs of real toolchains. Importing this package loads none of them."""
