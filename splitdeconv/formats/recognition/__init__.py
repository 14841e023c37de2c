"""What a file is, told by its content, and what to do with one that holds no model."""
