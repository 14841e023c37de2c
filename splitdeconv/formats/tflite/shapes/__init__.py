"""Shapes that a caller fixes, and lengths that are known only at run time."""
