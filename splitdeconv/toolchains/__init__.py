"""Real toolchains: what they are given, and what they say. Importing this loads none of them."""
