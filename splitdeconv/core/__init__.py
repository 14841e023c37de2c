"""The mathematics: geometry, phases, plans, and what runs a plan on arrays. No framework, no file format."""
