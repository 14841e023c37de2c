"""The mathematics: geometry, phases, plans, and running a plan on arrays."""
