"""The AXI ports: bursts out of ranges of bytes, and back; the registers' port."""
