"""What was chosen with results in sight, and what comes of other choices (README.md, "Choices")."""

from dataclasses import replace

from .choice import choose
from .document import Options, model_layers, model_system, summary
from .machine import Machine, load_machine
from .memory import Memory, load_memory
from .running import run_all, total
from .scheme import RAW
from .schemes import schemes
from .study import compare

SCHEMES = ("apack", "apack, chosen", "apack, ideal engines")
PUBLISHED_PJ = 20.3  # a bit of DDR3 or DDR4, all of the way: Jouppi et al., ISCA 2021, Table 2, 1300 pJ for 64 bits


def variations(machine: Machine, memory: Memory):
    """Names, with the machine and the memory that are different in each."""

    def coder(**changes) -> Machine:
        return replace(machine, codec=replace(machine.codec, **changes))

    def sides(**changes) -> Machine:
        return coder(**{side: replace(getattr(machine.codec, side), **new) for side, new in changes.items()})

    count = machine.codec.decoders.count
    whole = PUBLISHED_PJ - memory.background_mw / memory.read_gbs / 8
    return {
        "as shipped": (machine, memory),
        "blocks follow each other without gaps": (coder(aligned=False), memory),
        "half as many decoders": (sides(decoders={"count": count // 2}), memory),
        "twice as many decoders": (sides(decoders={"count": 2 * count}), memory),
        "as fast decoders of one stream": (sides(decoders={"streams": 1, "latency_cycles": 3}), memory),
        "28 and 40 cycles between engines and memory": (
            sides(decoders={"interface_cycles": 28}, encoders={"interface_cycles": 40}), memory),
        "engines at an activity of 0.1": (
            sides(decoders={"pj_per_value": 15.5}, encoders={"pj_per_value": 12.1}), memory),
        f"a memory of {PUBLISHED_PJ} pJ/bit in all": (machine, replace(memory, read_pj=whole, write_pj=whole)),
    }


def rows(figures: list[dict], machine: str, memory: str, batch: int):
    """(name, gains by scheme) of each variation: geometric means over the models."""
    options, usual = Options(batch=batch, study=False), (load_machine(machine), load_memory(memory))
    for name, (one, other) in variations(*usual).items():
        yield name, summary([model_system(f, one, other, options) for f in figures])
    if usual[0].array.packs_groups:
        alone = replace(usual[0], array=replace(usual[0].array, packs_groups=False))
        yield "depthwise convolutions one group at a time", summary(
            [model_system(f, alone, usual[1], options) for f in figures])


def held_out(figures: dict, machine: Machine, memory: Memory, batch: int) -> tuple[dict, dict] | None:
    """Gains on all inputs but the first, with what is stored how chosen on the first; and chosen on those themselves.

    None for a model with one input only.
    """
    inputs = sorted({t["input"] for t in figures["tensors"] if t["kind"] == "activation" and t["input"] is not None})
    if len(inputs) < 2:
        return None
    layers, _ = model_layers(figures, machine, Options(batch=batch))
    weights = [t for t in figures["tensors"] if t["kind"] != "activation"]
    own = [t for t in figures["tensors"] if t["kind"] == "activation" and t["input"] is not None]
    parts = [weights + [t for t in own if (t["input"] == inputs[0]) == first] for first in (True, False)]
    seen, new = (schemes(part, figures["block"], machine)["apack"] for part in parts)
    chosen = [choose(layers, machine, memory, scheme) for scheme in (seen, new)]
    chosen = [replace(scheme, ratios=new.ratios, means=new.means) for scheme in chosen]
    raw = total(run_all(layers, machine, memory, RAW))
    return tuple(compare(raw, total(run_all(layers, machine, memory, scheme))) for scheme in chosen)
