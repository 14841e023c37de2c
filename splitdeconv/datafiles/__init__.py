"""Data files of this package and of its users: YAML, read as typed records and within limits."""
