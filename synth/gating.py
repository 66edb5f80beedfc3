"""Clock gating: registers that share an enable get a clock that runs only while they are enabled.

Part of the process that runs Yosys (yosys_worker.py), so it imports nothing of the package. `ys` is Yosys' own Python
module throughout; `gate` has the fields of libraries.ClockGate.
"""

import re
from collections import defaultdict
from collections.abc import Callable


def gate_clocks(gate: dict, run: Callable[[str], None], design, ys) -> None:
    """Insert gating cells in every module of a design of generic gates, before its flip-flops are mapped."""
    for module in design.modules_.values():
        _let_enable_decide(module, gate["least"], ys)
    pins = f"{gate['enable']}:{gate['clock']}:{gate['output']}"
    run(f"clockgate -pos {gate['cell']} {pins} -min_net_size {gate['least']}")
    for module in design.modules_.values():
        _share_out(module, gate, ys)


def _let_enable_decide(module, least: int, ys) -> None:
    """Rewrite registers that a reset changes whatever their enable says: enabled by the one or the other.

    `clockgate` leaves such registers alone, and they are many: all that have both an enable and a reset in the source.
    Done for groups that are then large enough for a gating cell.
    """
    groups = defaultdict(list)
    for cell in module.cells_.values():
        if kind := re.fullmatch(r"\$_SDFFE_(.)(.)(.)(.)_", cell.type.str()):
            nets = (ys.log_signal(_pin(cell, pin, ys)) for pin in "CER")
            groups[kind[1], kind[2], kind[4], *nets].append(cell)
    for (edge, reset_level, enable_level, *_), cells in groups.items():
        if len(cells) < least:
            continue
        enable = _active_high(module, _pin(cells[0], "E", ys), enable_level, ys)
        reset = _active_high(module, _pin(cells[0], "R", ys), reset_level, ys)
        either = _wire(module, ys)
        _add(module, "$_OR_", {"A": enable, "B": reset, "Y": either}, ys)
        for cell in cells:
            value = cell.type.str()[-3]
            cell.type = ys.IdString(f"$_SDFFCE_{edge}{reset_level}{value}P_")
            cell.setPort(ys.IdString("\\E"), either)


def _share_out(module, gate: dict, ys) -> None:
    """Copies of gating cells, so that none drives more than `most` registers: its edges would be too slow."""
    gates = {
        ys.log_signal(_pin(cell, gate["output"], ys)): cell
        for cell in module.cells_.values()
        if cell.type.str().lstrip("\\") == gate["cell"]
    }
    gated = defaultdict(list)
    for cell in module.cells_.values():
        if "DFF" in cell.type.str() and (clock := ys.log_signal(_pin(cell, "C", ys))) in gates:
            gated[clock].append(cell)
    for clock, cells in gated.items():
        cells.sort(key=lambda cell: ys.log_signal(_pin(cell, "Q", ys)))  # neighbours stay together
        parts = -(-len(cells) // gate["most"])
        for part in range(1, parts):
            own = _wire(module, ys)
            inputs = {pin: _pin(gates[clock], pin, ys) for pin in (gate["enable"], gate["clock"])}
            _add(module, f"\\{gate['cell']}", inputs | {gate["output"]: own}, ys)
            for cell in cells[part * len(cells) // parts : (part + 1) * len(cells) // parts]:
                cell.setPort(ys.IdString("\\C"), own)


def _pin(cell, name: str, ys):
    return cell.getPort(ys.IdString(f"\\{name}"))


def _wire(module, ys):
    return ys.SigSpec(module.addWire(module.uniquify(ys.IdString("$gating")), 1))


def _add(module, kind: str, pins: dict, ys) -> None:
    cell = module.addCell(module.uniquify(ys.IdString("$gating")), ys.IdString(kind))
    for pin, signal in pins.items():
        cell.setPort(ys.IdString(f"\\{pin}"), signal)


def _active_high(module, signal, level: str, ys):
    if level == "P":
        return signal
    high = _wire(module, ys)
    _add(module, "$_NOT_", {"A": signal, "Y": high}, ys)
    return high
