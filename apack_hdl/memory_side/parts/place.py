"""Parts that are modules of their own in the Verilog, however often they are used."""

from amaranth import ClockSignal, Instance, Module, ResetSignal
from amaranth.lib import wiring


def place(m: Module, platform, name: str, part: wiring.Component) -> wiring.Component:
    """Make ``part`` a submodule of ``m``, and return it: its ports are connected as those of any other.

    In simulation (``platform`` is None) it is just that. In emission (``platform`` is a :class:`Hierarchy`) it
    becomes an instance of a module that is emitted once, and apart, for all parts with the same ``part.module`` (a
    name that says what it is and all parameters that differ within a design). Its registers then have the reset of the
    whole design: a ``ResetInserter`` around a part would reach it in simulation only. Memories have none.
    """
    m.submodules[name] = part if platform is None else platform.instance(part)
    return part


class Hierarchy:
    """Given to ``elaborate`` as its platform when Verilog is wanted: collects the ``parts`` (name of the module: one
    component) that are to be modules of their own.

    ``prefix`` : what the modules' names begin with.
    """

    def __init__(self, prefix: str):
        self.prefix = prefix
        self.parts: dict[str, wiring.Component] = {}

    def instance(self, part: wiring.Component) -> Instance:
        """An instance whose ports are connected to the signals of the ports of ``part``."""
        module = f"{self.prefix}_{part.module}"
        if self.parts.setdefault(module, part).signature != part.signature:
            raise ValueError(f"{module} must name parts with the same ports only")
        part._MustUse__used = True  # Amaranth would complain of those that are not elaborated
        ports = {"i_clk": ClockSignal(), "i_rst": ResetSignal()}
        for path, member, signal in part.signature.flatten(part):
            ports[f"{'i' if member.flow == wiring.In else 'o'}_{'__'.join(map(str, path))}"] = signal
        return Instance(module, **ports)
