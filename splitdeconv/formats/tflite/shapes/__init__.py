"""Geometry from shapes, shapes that a caller fixes, and lengths known only at run time."""
