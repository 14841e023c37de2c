"""The mathematics: geometry, phases, plans, and running a plan on arrays. No framework, no file
format.
"""
