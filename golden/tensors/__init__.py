"""Readers of the tensors in model files and tensor packs."""
