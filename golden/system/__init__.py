"""What compression is worth to a whole accelerator: time, energy and traffic of a network on a machine with a memory.

README.md has the equations, the sources of every constant, and what is not modelled.
"""

from .document import Options, model_system, summary, system_document
from .machine import MACHINES, Machine, load_machine, with_reports
from .memory import MEMORIES, Memory, load_memory

__all__ = [
    "MACHINES", "MEMORIES", "Machine", "Memory", "Options", "load_machine", "load_memory", "model_system", "summary",
    "system_document", "with_reports",
]
