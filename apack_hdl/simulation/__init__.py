"""Simulation of the emitted Verilog, against the golden model."""

from .simulate import SimulationResult, simulate

__all__ = ["SimulationResult", "simulate"]
