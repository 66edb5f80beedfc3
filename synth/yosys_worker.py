"""The process that runs Yosys: `python yosys_worker.py JOB.json` in the folder that holds the job's files.

Yosys is loaded as a library, ends the whole process on an error and writes its log from C++. In a process of its own
that is harmless: the log goes to NAME.log, the name of each pass goes to standard output as it starts (progress for the
caller), an error is a non-zero exit with Yosys' own line on standard error.

A job is a JSON object: `kind` ("cells", "ecp5" or "models"), `name` (prefix of every file written), and
for "cells": `verilog`, `top`, `options` (of the synth pass), `flatten`, `liberty`, `dont_use`, `tie_high`, `tie_low`,
`constraints` and `scripts` (for ABC), `target_ps` (for gates), `cut` (modules that stay outside, or null), `buffer` (a
cell), `gate` (the fields of libraries.ClockGate, or null);
for "ecp5": `verilog`, `top`; for "models": `liberty`, `cells` (whose functions are wanted).
Results: NAME.v (netlist), NAME.netlist.json (the same for programs), NAME.stat.json (area), NAME.facts.json.
For "ecp5": NAME.netlist.json alone. For "models": NAME.v and NAME.netlist.json, one module for each cell.
"""

import json
import os
import re
import sys
from pathlib import Path

FAN_OUT = 16  # of the buffers that the mapper is told to make, too (flow.py)
_REGISTER = "synth_register"  # attribute put on every net that a flip-flop drives in the source


def main(job_path: str) -> None:
    job = json.loads(Path(job_path).read_text())
    caller = os.fdopen(os.dup(1), "w")
    log = os.open(f"{job['name']}.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(log, 1)
    # Imported after the redirection: Yosys takes the standard output it finds.
    from pyosys import libyosys

    sys.path.append(str(Path(__file__).parent))  # last: our folder must not shadow modules

    design = libyosys.Design()

    def run(command: str, name: str = "") -> None:
        print(name or command.split()[0], file=caller, flush=True)
        libyosys.run_pass(command, design)

    facts = {"creator": libyosys.yosys_maybe_version()}
    if job["kind"] == "ecp5":
        _read(job, run, design)
        run(f"synth_ecp5 -top {job['top']} -json {job['name']}.netlist.json")
    elif job["kind"] == "models":
        _model_cells(job, run, design)
    else:
        facts |= _map_to_cells(job, run, design, libyosys)
    Path(f"{job['name']}.facts.json").write_text(json.dumps(facts, indent=1))


def _read(job: dict, run, design) -> None:
    run(f"read_verilog {'-sv ' if job['verilog'].endswith('.sv') else ''}{job['verilog']}")
    modules = sorted(_plain(name.str()) for name in design.modules_)
    if job["top"] not in modules:
        some = ", ".join(modules[:8]) + ", ..." * (len(modules) > 8)
        sys.exit(f"ERROR: top: must be a module of {job['verilog']} ({some or 'it has none'}), not {job['top']!r}")
    run(f"hierarchy -check -top {job['top']}")


def _map_to_cells(job: dict, run, design, ys) -> dict:
    identifier = ys.IdString
    name, liberty = job["name"], f"-liberty {job['liberty']}"
    dont_use = "".join(f" -dont_use {pattern}" for pattern in job["dont_use"])
    _read(job, run, design)
    if job["cut"] is not None:
        _cut(job, run, design, ys)
    tree = _tree(design)
    # The source's own name of a register survives flattening only as one alias among many: mark it now.
    run("proc")
    run(f"setattr -set {_REGISTER} 1 t:$*dff* %co1:+[Q] w:* %i")
    run(f"synth {'-flatten ' if job['flatten'] else ''}{job['options']} -top {job['top']}")
    tree = tree if job["flatten"] else _tree(design)  # an unused submodule may be gone
    top = design.module(identifier(f"\\{job['top']}"))
    clocks, latches = sorted(_clocks(top, design, identifier, {})), _count_latches(design)
    gate = job["gate"]
    if gate:
        from gating import gate_clocks

        gate_clocks(gate, run, design, ys)
    run(f"dfflibmap {liberty}{dont_use}")
    others = {*tree, gate and gate["cell"]}
    flops = sorted({t for t in _cell_types(design) if not t.startswith("$") and t not in others})
    _map_gates(job, run, f"abc {liberty} -constr {job['constraints']}{dont_use}")
    run("setundef -zero")
    if job["tie_high"]:
        run("hilomap -singleton -hicell {} {} -locell {} {}".format(*job["tie_high"], *job["tie_low"]))
    run(f"write_json {name}.netlist.json")
    _name_cells(json.loads(Path(f"{name}.netlist.json").read_text()), design, flops, gate, identifier)
    _split(run, design)
    if job["cut"]:
        _buffer_ports(job, design, ys)
    run(f"tee -q -o {name}.stat.json stat -json {liberty}")
    if not job["flatten"]:  # counted by block; timed as one flat netlist, whose names still tell the block
        run("flatten")
        _split(run, design)
    run(f"write_verilog -noattr -noexpr -nohex -nodec {name}.v")
    run(f"write_json {name}.netlist.json")
    unmapped = sorted({t for t in _cell_types(design) if t.startswith("$") and t not in tree})
    facts = {"tree": tree, "clocks": clocks, "latches": latches, "flops": flops, "unmapped": unmapped}
    return facts | {"gate": gate["cell"] if gate else ""}


def _cut(job: dict, run, design, ys) -> None:
    """Flatten, and leave the instances of some modules outside: what goes into them leaves the design through ports,
    what they give comes in through ports called cut_... ."""
    for name in job["cut"]:
        run(f"blackbox {name}")
    run("proc")
    run("flatten")
    outside = {f"\\{name}" for name in job["cut"]}
    top = design.module(ys.IdString(f"\\{job['top']}"))
    pins = [cell.getPort(ys.IdString("\\CLK")) for cell in top.cells_.values() if "dff" in cell.type.str()]
    clocks = {pin.as_wire().name.str() for pin in pins if pin.is_wire()}
    for cell in [cell for cell in top.cells_.values() if cell.type.str() in outside]:
        for port, signal in cell.connections().items():
            if signal.is_wire() and signal.as_wire().name.str() in clocks:
                continue
            gives = cell.output(port)
            name = f"\\{'cut' if gives else 'to'}_{_plain(cell.name.str())}_{_plain(port.str())}"
            wire = top.addWire(ys.IdString(name.replace(".", "_")), signal.size())
            wire.port_input, wire.port_output = gives, not gives
            pins = ys.SigSpec(wire)
            top.connect(*((signal, pins) if gives else (pins, signal)))
        top.remove(cell)
    top.fixup_ports()
    for name in job["cut"]:
        run(f"delete {name}")


def _buffer_ports(job: dict, design, ys) -> None:
    """A net that goes to many modules that were cut out leaves through many ports, of which the mapper has seen but
    one: give them buffers, as wide trees as it makes itself."""
    top = design.module(ys.IdString(f"\\{job['top']}"))
    cells = ys.Design()
    ys.run_pass(f"read_liberty -lib -ignore_miss_func {job['liberty']}", cells)
    buffer = cells.module(ys.IdString(f"\\{job['buffer']}"))
    pins = {wire.port_input: wire.name for wire in buffer.wires_.values() if wire.port_input or wire.port_output}
    kept, ports = [], {}
    for left, right in top.connections():
        ends = [signal.as_bit() for signal in (left, right)]  # the wire of a port may have other bits
        if all(bit.is_wire() for bit in ends) and ends[0].wire.port_output:
            source = ends[1].wire.name.str(), ends[1].offset
            ports.setdefault(source, (right, []))[1].append(left)
        else:
            kept.append((left, right))
    for source, driven in ports.values():
        while len(driven) > FAN_OUT:
            above = []
            for at in range(0, len(driven), FAN_OUT):
                wire = top.addWire(ys.IdString(f"$to${len(top.wires_)}"), 1)
                cell = top.addCell(ys.IdString(f"\\_to{len(top.cells_)}_"), buffer.name)
                cell.setPort(pins[True], ys.SigSpec(wire))
                cell.setPort(pins[False], driven[at])
                above.append(ys.SigSpec(wire))
                kept += [(port, driven[at]) for port in driven[at + 1 : at + FAN_OUT]]
            driven = above
        kept += [(port, source) for port in driven]
    top.new_connections(kept)


def _map_gates(job: dict, run, abc: str) -> None:
    """Map with the first script that meets the target, or else with the one that comes closest."""
    run("design -save unmapped")
    delays = []
    for number, script in enumerate(job["scripts"]):
        if number:
            run("design -load unmapped")
        log = f"{job['name']}.mapper{number}.log"
        run(f"tee -q -o {log} {abc} -script {script}", "abc")
        said = re.findall(r"Delay =\s*([\d.]+) ps", Path(log).read_text())  # one for each module with gates
        delays.append(max(map(float, said), default=0.0))
        if delays[-1] <= 1.02 * job["target_ps"]:  # what registers take is known no better than that
            return
        run(f"design -save mapped{number}")
    run(f"design -load mapped{delays.index(min(delays))}")


def _model_cells(job: dict, run, design) -> None:
    """What the wanted cells do, from the functions in the Liberty file."""
    run(f"read_liberty -ignore_miss_func -ignore_miss_dir {job['liberty']}")
    for name in [_plain(name.str()) for name in design.modules_]:
        if name not in job["cells"]:
            run(f"delete {name}")
    run(f"write_verilog -noattr {job['name']}.v")
    run(f"write_json {job['name']}.netlist.json")


def _split(run, design) -> None:
    """Leave no net and no assignment wider than a bit: OpenSTA rejects the line `assign {a, b} = {c, d};`."""
    run("splitnets")
    run("opt_clean -purge")
    for module in design.modules_.values():
        pairs = [
            (left.extract(at, 1), right.extract(at, 1))
            for left, right in module.connections()
            for at in range(left.size())
        ]
        module.new_connections(pairs)


def _plain(identifier: str) -> str:
    return identifier.removeprefix("\\")


def _tree(design) -> dict[str, dict[str, str]]:
    """Module name -> {instance name: module name} of its submodules."""
    modules = {name.str() for name in design.modules_}
    tree = {}
    for module in design.modules_.values():
        cells = [(_plain(cell.name.str()), cell.type.str()) for cell in module.cells_.values()]
        tree[_plain(module.name.str())] = {name: _plain(kind) for name, kind in cells if kind in modules}
    return tree


def _cell_types(design) -> set[str]:
    return {_plain(cell.type.str()) for module in design.modules_.values() for cell in module.cells_.values()}


def _count_latches(design) -> int:
    cells = [cell.type.str() for module in design.modules_.values() for cell in module.cells_.values()]
    return sum("LATCH" in kind for kind in cells)


def _clocks(module, design, identifier, known: dict[str, set[str]]) -> set[str]:
    """Nets of `module` that clock flip-flops in it or below it; an input port carries a leading '>'."""
    name = module.name.str()
    if name in known:
        return known[name]
    known[name] = set()
    for cell in module.cells_.values():
        kind = cell.type.str()
        if kind.startswith("$"):
            pins = ["\\C"] if "DFF" in kind else []
        else:
            below = _clocks(design.module(cell.type), design, identifier, known)
            pins = [f"\\{net[1:]}" for net in below if net.startswith(">")]
        for pin in pins:
            net = cell.getPort(identifier(pin))
            wire = net.as_wire() if net.is_wire() else None
            known[name].add("(not a net)" if wire is None else f"{'>' * wire.port_input}{_plain(wire.name.str())}")
    return known[name]


def _name_cells(netlist: dict, design, flops: list[str], gate: dict | None, identifier) -> None:
    """Give every cell a name that the Verilog, the JSON and the timing report share.

    A flip-flop is named after the register it holds: `lookup.row` bit 3 becomes `lookup.row_reg[3]`. A clock gating
    cell is named after the first register it clocks: `lookup.row_gate[0]`. Other cells have lost their origin in the
    mapper and are numbered.
    """
    for module_name, module in netlist["modules"].items():
        names = _cell_names(module, flops, gate)
        taken = set(module["cells"]) | set(module["netnames"])
        target = design.module(identifier(f"\\{module_name}"))
        for number, cell_name in enumerate(module["cells"]):
            name = names.get(cell_name, f"_gate{number}_")
            if cell_name.startswith("$") and name not in taken:
                taken.add(name)
                target.rename(target.cell(identifier(cell_name)), identifier(f"\\{name}"))


def _cell_names(module: dict, flops: list[str], gate: dict | None) -> dict[str, str]:
    """Cell -> name, for the flip-flops whose register is known and for the cells that gate their clocks."""
    aliases = _aliases(module["netnames"])
    gates = {cell["connections"][gate["output"]][0]: name
             for name, cell in module["cells"].items() if gate and cell["type"] == gate["cell"]}
    names = {}
    for cell_name, cell in module["cells"].items():
        nets = {net for pin in cell["connections"].values() for net in pin}
        known = aliases.get(cell["connections"].get("Q", cell["connections"].get("QN", [None]))[0])
        if cell["type"] in flops and known:
            name, index = _register(known)
            names[cell_name] = f"{name}_reg{index}"
            for net in nets & gates.keys():
                names.setdefault(gates[net], f"{name}_gate{index}")
    return names


def _register(names: list[tuple[int, str, str]]) -> tuple[str, str]:
    """The (name, index) for a register bit that has the given aliases."""
    _, name, index = min(names)
    path, dot, leaf = name.rpartition(".")
    if leaf.startswith("$"):
        # The emitter split a signal of which only a part is a register; the signal itself is an alias close by.
        close = [(n.count("$"), n, i) for _, n, i in names if n.rpartition(".")[0] == path]
        _, name, index = min(close)
    return name.replace(f"{path}{dot}$", f"{path}{dot}_", 1), index


def _aliases(netnames: dict) -> dict[int, list[tuple[int, str, str]]]:
    """Net bit -> its names as (rank, name, index), best first by rank: the source's register, public, memory word."""
    found: dict[int, list[tuple[int, str, str]]] = {}
    for name, net in netnames.items():
        rank = 0 if _REGISTER in net["attributes"] else 2 if net["hide_name"] else 1
        if net["hide_name"]:
            # Words of a memory: $memory\storage[3]$57, behind the instance path when flattened.
            word = re.fullmatch(r"(?:\$flatten\\(?P<path>.*)\.)?\$memory\\(?P<name>.*\[\d+\])(?:\$\d+)?", name)
            if not word:
                continue
            name = ".".join(filter(None, (word["path"], word["name"])))
        name = name.removeprefix("\\")  # kept by Yosys before a '$'
        indexed = len(net["bits"]) > 1
        for bit, number in enumerate(net["bits"]):
            if isinstance(number, int):
                found.setdefault(number, []).append((rank, name, f"[{bit + net.get('offset', 0)}]" * indexed))
    return found


if __name__ == "__main__":
    main(sys.argv[1])
