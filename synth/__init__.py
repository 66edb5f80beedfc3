"""Area, clock and power of any Verilog module from a free flow: Yosys, OpenSTA, nextpnr. See README.md."""

from .errors import SynthError
from .gates import gate_level
from .libraries import LIBRARIES
from .report import SynthesisReport
from .synthesis import synthesize

__all__ = ["LIBRARIES", "SynthError", "SynthesisReport", "gate_level", "synthesize"]
