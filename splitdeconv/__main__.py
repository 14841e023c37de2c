"""`python -m splitdeconv`: the command line."""

from .cli import main

main()
