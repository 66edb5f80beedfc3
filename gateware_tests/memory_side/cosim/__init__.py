"""The emitted memory-side block in Verilator and in Icarus Verilog, driven by cocotb and cocotbext-axi.

``runner`` builds and starts simulations, ``bench`` is what surrounds the block in them, ``scenarios`` are what it goes
through, ``tensors`` are what it is given; ``matrix`` is all of it, with a report: ``make cosim``.
"""
