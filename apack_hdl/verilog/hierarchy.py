"""Designs with parts that are modules of their own, each written once, however often it is used."""

from collections import Counter
from collections.abc import Callable

from amaranth.hdl import Value
from amaranth.lib import wiring

from .names import plain
from .tree import Module, Net


class Parts:
    """The parts of a design, converted one by one.

    Parameters
    ----------
    platform : makes what ``elaborate`` is given as its platform; after it, ``parts`` of that are the parts it met: name
        of the module, and a component. A part with a method ``verilog(name)`` gives its text itself; its ports are
        then called as in Amaranth.
    convert : :func:`.conversion.convert`.

    Members
    -------
    names : of all modules so far.
    split : by the name of a module, what its ports were split into, see :attr:`.tree.Module.given`.
    modules : all modules so far, each part's top, without contents but for the ports.
    texts : their Verilog, parts of parts first.
    uses : by the name of a module, how often it has each of its parts; of the top as well.
    written : parts that gave their text themselves.
    """

    def __init__(self, platform: Callable, convert: Callable):
        self.platform, self.convert = platform, convert
        self.names, self.split = set(), {}
        self.modules: dict[str, Module] = {}
        self.texts: dict[str, str] = {}
        self.uses: dict[str, Counter[str]] = {}
        self.written: dict[str, wiring.Component] = {}

    def note(self, name: str, modules: list[Module], split: dict):
        """Remember what became of the component that was called ``name``, with its own modules."""
        self.split[name] = split
        parts = [instance.module for module in modules for instance in module.instances]
        self.uses[name] = Counter(part for part in parts if part in self.modules)

    def given(self, name: str, part: wiring.Component) -> Module:
        """A part as others see it; converted if it was not yet. Raises ValueError if another one has this name."""
        ports = _ports(part)
        if name not in self.modules:
            if name in self.names:
                raise ValueError(f"{name} must be the name of one module only")
            write = self._write if hasattr(part, "verilog") else self._convert
            write(name, part, ports)
        known = self.modules[name]
        if {port: net for port, net in known.nets.items() if port not in ("clk", "rst")} != ports:
            raise ValueError(f"{name} must name parts with the same ports only")
        # The pieces of a module are named anew in every design that it is part of.
        nets = {port: Net(net.width, net.direction) for port, net in known.nets.items()}
        return Module(name, nets, given=known.given, inner=known.inner)

    def _write(self, name: str, part: wiring.Component, ports: dict[str, Net]):
        self.texts[name], self.written[name], self.uses[name] = part.verilog(name), part, Counter()
        split = {port: [(net.width - 1, 0, plain(port))] for port, net in ports.items()}
        self.modules[name] = Module(name, {"clk": Net(1, "input")} | ports, given=split | {"clk": [(0, 0, "clk")]})

    def _convert(self, name: str, part: wiring.Component, ports: dict[str, Net]):
        top, text = self.convert(part, name, self)
        self.texts[name] = text
        clocks = {port: Net(1, "input") for port in ("clk", "rst") if port in top.nets}
        inner = frozenset(top.nets) | {instance.name for instance in top.instances}
        self.modules[name] = Module(name, clocks | ports, given=self.split[name], inner=inner)


def _ports(part: wiring.Component) -> dict[str, Net]:
    """Its ports as Amaranth calls them."""
    return {
        "__".join(map(str, path)): Net(len(Value.cast(signal)), "input" if member.flow == wiring.In else "output")
        for path, member, signal in part.signature.flatten(part)
    }
