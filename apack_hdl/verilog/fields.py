"""Structures get their fields back, and bits that nobody reads go: a net becomes the pieces of it that are used."""

import re
from collections import defaultdict
from dataclasses import dataclass

from .liveness import Liveness
from .tree import (
    Assign,
    Cat,
    Const,
    Expr,
    Instance,
    Module,
    Net,
    Op,
    Ref,
    cat,
    read_counts,
    refs,
    replace_refs,
    rewrite,
)
from .widths import select

ANONYMOUS = re.compile(r"\$|port\$")  # what nets are called that have no name of their own


def split_fields(modules: list[Module]) -> dict[str, list["_Piece"]]:
    """Split every net of a design into its fields and drop what does not reach the outputs of the top, the first one.

    Every module but the top and those that are given is used exactly once, as Amaranth writes them. Returns what
    each port of the top was split into, most significant first.
    """
    for module in modules:
        _follow_wires(module)
        _join_outputs(module)
    names = {module.name: _take_aliases(module) for module in modules}
    live = Liveness(modules)
    pieces = {}
    for module in modules:
        if module.given is not None:
            pieces[module.name] = {
                net: [_Piece(high, low, name, 0, True, module.nets[net].direction) for high, low, name in parts]
                for net, parts in module.given.items()
            }
            continue
        masks, read_above = live.masks[module.name], live.read_above[module.name]
        pieces[module.name] = {
            net: _cut(net, module.nets[net], masks[net], read_above[net], names[module.name][net])
            for net in module.nets
        }
    for module in modules:
        _Splitter(module, pieces).run()
        _join_outputs(module)
    return {net: [piece for piece in parts if piece.direction] for net, parts in pieces[modules[0].name].items()}


# Names

def _follow_wires(module: Module):
    """Use what nameless nets are wired to in their place."""
    wires = {
        _net(a): a.value
        for a in module.assigns
        if _net(a) and ANONYMOUS.match(_net(a)) and not module.nets[_net(a)].direction and not isinstance(a.value, Op)
    }

    def change(ref: Ref) -> Expr:
        return select(replace_refs(wires[ref.net], change), ref.high, ref.low) if ref.net in wires else ref

    module.assigns = [a for a in module.assigns if _net(a) not in wires]
    module.replace(change, targets=False)
    for net in wires:
        del module.nets[net]


def _join_outputs(module: Module):
    """A nameless net that only feeds an output is that output."""
    joined, kept = {}, []
    for assign in module.assigns:
        net = assign.value.net if isinstance(assign.value, Ref) and assign.value.whole else ""
        feeds_output = _net(assign) and module.nets[_net(assign)].direction == "output"
        if feeds_output and ANONYMOUS.match(net) and not module.nets[net].direction and net not in joined:
            joined[net] = _net(assign)
        else:
            kept.append(assign)
    module.assigns = kept
    for net in joined:
        del module.nets[net]
    module.replace(lambda ref: Ref(joined.get(ref.net, ref.net), ref.high, ref.low, ref.whole))


def _net(assign: Assign) -> str | None:
    """The net assigned to, if it is a single one and all of it."""
    return assign.target.net if isinstance(assign.target, Ref) and assign.target.whole else None


def _take_aliases(module: Module) -> dict[str, list[tuple[int, int, str]]]:
    """Remove the nets that only give another name to bits; returns net: (high, low, name) of its named parts."""
    reads = read_counts(module)
    aliases, kept = [], []
    for assign in module.assigns:
        name = _net(assign)
        wiring = isinstance(assign.value, Ref | Cat | Const)
        if name and wiring and not reads[name] and module.nets[name].direction is None:
            aliases.append((name, assign.value))
            del module.nets[name]
        else:
            kept.append(assign)
    module.assigns = kept
    names = defaultdict(list)
    for name, value in aliases:
        parts = [*refs(value)]
        if len(parts) == 1:  # alone, or beside constants
            names[parts[0].net].append((parts[0].high, parts[0].low, name))
        elif parts and _can_bundle(module, value):
            _bundle(module, name, value)
    return names


def _can_bundle(module: Module, value: Cat) -> bool:
    """Whether all parts are constants or nets of their own, nameless, each driven by an ``assign``."""
    driven = {_net(assign) for assign in module.assigns}
    nets = [part for part in value.parts if isinstance(part, Ref)]
    own = all(part.whole and ANONYMOUS.match(part.net) and part.net in driven for part in nets)
    return own and len({part.net for part in nets}) == len(nets)


def _bundle(module: Module, name: str, value: Cat):
    """Nameless nets that together are a vector with a name become its bits."""
    module.nets[name] = Net(value.width)
    places, at = {}, value.width
    for part in value.parts:
        at -= part.width
        place = module.bits(name, at + part.width - 1, at)
        if isinstance(part, Const):
            module.assigns.append(Assign(place, part))
        else:
            places[part.net] = place

    def change(ref: Ref) -> Expr:
        return select(places[ref.net], ref.high, ref.low) if ref.net in places else ref

    module.replace(change)
    for net in places:
        del module.nets[net]


@dataclass(frozen=True)
class _Piece:
    """Bits ``high .. low`` of a net, as a net called ``name`` whose lowest bit is written as number ``base``.

    ``live``: it is of use; ``direction``: as a port, if it is (still) one.
    """

    high: int
    low: int
    name: str
    base: int
    live: bool
    direction: str | None


def _cut(net: str, details: Net, mask: int, read_above: int, names) -> list[_Piece]:
    """The pieces of a net, most significant first: cut between its fields, and where it begins or ends to be of use."""
    width = details.width
    own = [part for part in names if ANONYMOUS.match(net) or part[2].startswith((f"{net}.", f"{net}["))]
    arrays = {f"{name}[" for *_, name in own}  # a structure's array stays in one piece
    own = [part for part in own if not part[2].endswith("]") or f"{part[2].rpartition('[')[0]}[" not in arrays]
    cuts = {0, width} | {at for high, low, _ in own for at in (low, high + 1)}
    cuts |= {at for at in range(1, width) for bits in (mask, read_above) if (bits >> at ^ bits >> (at - 1)) & 1}
    cuts = sorted(cuts, reverse=True)
    ranges = [(above - 1, low, bool(mask >> low & 1)) for above, low in zip(cuts, cuts[1:], strict=False)]
    pieces = []
    for high, low, live in ranges:
        exact = [name for upper, lower, name in [*own, *names] if (upper, lower) == (high, low)]
        field = [(upper - lower, upper, lower, name) for upper, lower, name in own if upper >= high and lower <= low]
        _, top, bottom, name = min(field, default=(0, width - 1, 0, net))
        alone = sum(live for upper, lower, live in ranges if top >= upper and lower >= bottom) == 1
        if exact and (len(ranges) > 1 or ANONYMOUS.match(net)):
            name, base = exact[0], 0
        elif live and alone:  # the rest of it is dead: keep its name, and its bits' numbers
            base = low - bottom
        else:
            name, base = f"{name}[{high - bottom}:{low - bottom}]", 0
        direction = details.direction if details.direction == "input" or read_above >> low & 1 else None
        pieces.append(_Piece(high, low, name if live else f"{name}.unused", base, live, direction))
    return pieces


# Splitting

class _Splitter:
    """Rewrites a module in terms of the pieces of its nets, and its instances' ports in terms of theirs."""

    def __init__(self, module: Module, pieces):
        self.module, self.all_pieces, self.pieces = module, pieces, pieces[module.name]
        self.unused = set()

    def run(self):
        m = self.module
        m.assigns = [new for assign in m.assigns for new in self._assign(assign)]
        for process in m.processes:
            process.body = rewrite(process.body, self._assign, self._read)
            process.clock = process.clock and self._read(process.clock)
        m.processes = [process for process in m.processes if process.body]
        for instance in m.instances:
            self._ports(instance)
        old, m.nets = m.nets, {}
        for net in old:
            for piece in reversed(self.pieces[net]):
                if piece.live or piece.name in self.unused:
                    m.nets[piece.name] = Net(piece.high - piece.low + 1, piece.direction, piece.base)

    def _overlaps(self, ref: Ref):
        """(piece, high, low): the parts of the pieces that make up ``ref``, most significant first."""
        for piece in self.pieces[ref.net]:
            high, low = min(ref.high, piece.high), max(ref.low, piece.low)
            if high >= low:
                yield piece, high - piece.low, low - piece.low

    def _read(self, expr: Expr) -> Expr:
        def change(ref: Ref) -> Expr:
            return cat([_part(piece, high, low) for piece, high, low in self._overlaps(ref)])

        return replace_refs(expr, change)

    def _assign(self, assign: Assign) -> tuple:
        """The assignments to the live pieces of the target; one with a dummy where an operator must be kept whole."""
        parts, at = [], 0
        for ref in reversed([*refs(assign.target)]):
            for piece, high, low in reversed([*self._overlaps(ref)]):
                parts.append((at, piece, high, low))
                at += high - low + 1
        values = [select(assign.value, at + high - low, at) for at, piece, high, low in parts if piece.live]
        if None in values:
            return (self._with_dummies(parts, assign.value),)
        targets = [_part(piece, high, low) for _, piece, high, low in parts if piece.live]
        return tuple(Assign(target, self._read(bits)) for target, bits in zip(targets, values, strict=True))

    def _with_dummies(self, parts, value: Expr) -> Assign:
        """All of an operator's result that must be kept, dead bits and all."""
        last_live = max(i for i, part in enumerate(parts) if part[1].live)
        at, _, high, low = parts[last_live]
        narrowed = select(value, at + high - low, 0)
        if narrowed is not None:
            parts, value = parts[: last_live + 1], narrowed
        self.unused |= {piece.name for _, piece, _, _ in parts if not piece.live}
        return Assign(cat(_part(*part[1:]) for part in reversed(parts)), self._read(value))

    def _ports(self, instance: Instance):
        ports = {}
        for port, expr in instance.ports.items():
            for piece in reversed(self.all_pieces[instance.module].get(port, ())):
                if piece.live and piece.direction:
                    part = select(expr, piece.high, piece.low)
                    # A given module has all of its outputs, of use or not.
                    mine = [mine for ref in refs(part) for mine, _, _ in self._overlaps(ref)]
                    self.unused |= {piece.name for piece in mine if not piece.live}
                    ports[piece.name] = self._read(part)
        instance.ports = ports


def _part(piece: _Piece, high: int, low: int) -> Ref:
    return Ref(piece.name, high, low, whole=(low == 0 and high == piece.high - piece.low))
