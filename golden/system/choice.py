"""Which tensors to store raw: the engines' latency is not worth it everywhere."""

from dataclasses import replace

from .layers import Layer
from .machine import Machine
from .memory import Memory
from .running import kept_on_chip, run
from .scheme import Scheme

PASSES = 3  # over all tensors; the third seldom changes anything


def choose(layers: list[Layer], machine: Machine, memory: Memory, scheme: Scheme) -> Scheme:
    """The scheme with those tensors stored raw whose coding does not lower energy times time of the whole network.

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
    kept = kept_on_chip(layers, machine)

    def cost(index: int, found: Scheme) -> tuple[float, float]:
        result = run(layers[index], machine, memory, found, **kept[index])
        return result.time, result.energy

    best = replace(scheme, name=f"{scheme.name}, chosen", raw=frozenset(touched) | {None})
    costs = [cost(index, best) for index in range(len(layers))]
    for _ in range(PASSES):
        before = best.raw
        for tensor in sorted(touched, key=lambda name: -size[name]):
            other = replace(best, raw=best.raw ^ {tensor})
            indices = set(touched[tensor])
            new = {index: cost(index, other) for index in indices}
            time, energy = (sum(c[i] for c in costs) for i in (0, 1))
            dt, de = (sum(new[index][i] - costs[index][i] for index in indices) for i in (0, 1))
            if (time + dt) * (energy + de) < time * energy:
                best = other
                for index in indices:
                    costs[index] = new[index]
        if best.raw == before:
            break
    return best
