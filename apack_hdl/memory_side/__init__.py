"""The block between an accelerator and its memory controller: E encoders, E decoders, AXI on all sides.

``parameters`` is what everything here is built from; README.md has the block diagram.
"""
