"""Model files as data: read, checked, edited and written, with one folder per format."""
