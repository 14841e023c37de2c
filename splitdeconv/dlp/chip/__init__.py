"""A processor as a chip: area and power, what its file means, a file to start from."""
