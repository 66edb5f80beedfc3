"""Simulation of the emitted Verilog, against the golden model."""

from .against_golden import SimulationResult, simulate

__all__ = ["SimulationResult", "simulate"]
