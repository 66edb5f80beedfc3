"""How to store each tensor: raw, or in blocks of which length. The engines' latency is not worth it everywhere."""

from dataclasses import replace

from .layers import Layer
from .machine import Machine
from .memory import Memory
from .running import kept_on_chip, run
from .scheme import Scheme

PASSES = 3  # over all tensors; the third seldom changes anything
LENGTHS = (128, 256, 512, 1024, 2048)  # of blocks, at least: a block takes 9 bytes besides, 7 % of the shortest


def choose(layers: list[Layer], machine: Machine, memory: Memory, scheme: Scheme) -> Scheme:
    """The scheme with each tensor stored raw, or in blocks of one of ``LENGTHS``, whichever makes energy times time of
    the whole network least.

    Tensors are decided one after another, those that move most first, beginning with all raw, and again with what has
    been decided for the others. So the result is never worse than raw storage in energy times time.
    """
    touched: dict[str, list[int]] = {}
    size: dict[str, float] = {}
    for index, layer in enumerate(layers):
        for operand in layer.operands:
            if operand.tensor is not None:
                touched.setdefault(operand.tensor, []).append(index)
                size[operand.tensor] = size.get(operand.tensor, 0.0) + operand.values * operand.width
    best = replace(scheme, name=f"{scheme.name}, chosen", raw=frozenset(touched) | {None}, least={})
    costs = Costs(layers, machine, memory)
    now = [costs(index, best) for index in range(len(layers))]
    for _ in range(PASSES):
        before = best
        for tensor in sorted(touched, key=lambda name: -size[name]):
            best = _decide(best, tensor, sorted(set(touched[tensor])), costs, now)
        if best is before:
            break
    return best


class Costs:
    """(time, energy) of a layer with a scheme, each different way to store its tensors worked out once."""

    def __init__(self, layers: list[Layer], machine: Machine, memory: Memory):
        self.layers, self.machine, self.memory = layers, machine, memory
        self.kept, self.known = kept_on_chip(layers, machine), {}

    def __call__(self, index: int, scheme: Scheme) -> tuple[float, float]:
        layer = self.layers[index]
        key = index, tuple(scheme.least.get(o.tensor) if scheme.codes(o) else 0 for o in layer.operands)
        if key not in self.known:
            found = run(layer, self.machine, self.memory, scheme, **self.kept[index])
            self.known[key] = found.time, found.energy
        return self.known[key]


def _decide(scheme: Scheme, tensor: str, indices: list[int], costs: Costs, now: list) -> Scheme:
    """The scheme with the tensor stored as is best; ``now``: costs of all layers, brought up to date."""
    time, energy = (sum(cost[i] for cost in now) - sum(now[index][i] for index in indices) for i in (0, 1))

    def product(new) -> float:
        return (time + sum(t for t, _ in new)) * (energy + sum(e for _, e in new))

    least = product([now[index] for index in indices])
    coded = replace(scheme, raw=scheme.raw - {tensor})
    ways = [replace(scheme, raw=scheme.raw | {tensor})]
    lengths = [length for length in LENGTHS if length <= scheme.codec.block]
    ways += [replace(coded, least=scheme.least | {tensor: length}) for length in lengths]
    for way in ways:
        new = [costs(index, way) for index in indices]
        if product(new) < least * (1 - 1e-12):
            least, scheme = product(new), way
            for index, cost in zip(indices, new, strict=True):
                now[index] = cost
    return scheme
