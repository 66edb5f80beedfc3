"""Area, clock and power of any Verilog module from a free flow: Yosys, OpenSTA, nextpnr. See README.md."""

from .errors import SynthError
from .gates import gate_level
from .hierarchy import HierarchyReport, synthesize_parts
from .libraries import LIBRARIES
from .power import MeasuredPower, measured_power
from .report import SynthesisReport
from .synthesis import synthesize

__all__ = [
    "LIBRARIES",
    "HierarchyReport",
    "MeasuredPower",
    "SynthError",
    "SynthesisReport",
    "gate_level",
    "measured_power",
    "synthesize",
    "synthesize_parts",
]
