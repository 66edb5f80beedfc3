"""Shipped sample: one small real network, quantized, as a tensor pack; README.md here tells where it comes from."""

from pathlib import Path

PATH = Path(__file__).with_name("sample.npz")
