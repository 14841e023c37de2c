"""PyTorch: .pt2 files, exported programs and modules."""
