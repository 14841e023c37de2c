"""Model files as data: read, checked, edited and written, one folder for each format."""
