"""The proof that npnet and PyTorch agree, on the host and on a strict stand-in for a GPU."""
