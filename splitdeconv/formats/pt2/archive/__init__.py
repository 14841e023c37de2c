"""The .pt2 archive of a program: read as data, vetted before PyTorch sees it, and written."""
