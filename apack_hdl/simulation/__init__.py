"""Simulation of the emitted Verilog, against the golden model."""

from .against_golden import deal, simulate, simulate_queues
from .result import EngineResult, SimulationResult, StreamResult

__all__ = ["EngineResult", "SimulationResult", "StreamResult", "deal", "simulate", "simulate_queues"]
