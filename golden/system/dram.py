"""Energy of DRAM from its devices' currents, by energydram: where memories.toml's figures come from.

energydram comes with ``pip install 'apack-hdl[crosscheck]'``; it follows Micron's technical notes TN-41-01, TN-40-07.
"""

from .crosscheck import need
from .memory import MEMORIES, load_memory

BEATS = 8  # of the burst that the library counts with, whatever the standard's own length
LOW = 0.5  # of the bits: only a low one draws current through a termination to the supply; coded bits are even


def device_energy(device: dict) -> dict[str, float]:
    """What the library makes of a memory's ``device`` table.

    Members
    -------
    read_pj, write_pj : pJ for a bit of a burst in an open row.
    row_pj : pJ for a bit, of opening and closing its row, all of which is moved.
    read_wires_pj, write_wires_pj : pJ for a bit that drivers and terminations take; 0 where currents include them.
    background_mw : all channels with open rows, refresh included.

    Raises ValueError without energydram.
    """
    library = need("energydram")
    dram, clock = _device(library, device), device["clock_ns"]
    bits = BEATS * device["width"] * device["chips"]
    read, write = (e / bits for e in (dram.readwrite_energy(1, 0), dram.readwrite_energy(0, 1)))
    standby = dram.background_energy(cycles_bankact_ckehi=1) / clock
    refresh = dram.refresh_energy(1) / (device["refi"] * clock)
    read_wires, write_wires = _wires(library, device)
    return {
        "read_pj": read, "write_pj": write, "row_pj": dram.activate_energy(1) / (device["row_bits"] * device["chips"]),
        "read_wires_pj": read_wires, "write_wires_pj": write_wires,
        "background_mw": device["channels"] * (standby + refresh),
    }


def _device(library, device: dict):
    """The library's object: one channel."""
    timing = library.Timing(**{name: device[name.lower()] for name in ("RRD", "RAS", "RP", "RFC", "REFI")})
    supplies = [(supply["volts"], library.IDDs(**{k: v for k, v in supply.items() if k != "volts"}))
                for supply in device["supplies"]]
    clock, chips = device["clock_ns"], device["chips"]
    if device["kind"] == "lpddr4":
        (v1, i1), (v2, i2), (vq, iq) = supplies
        return library.EnergyLPDDR(clock, timing, v1, i1, v2, i2, vq, iq, chips, ddr=4)
    (vdd, idd), (vpp, ipp) = supplies
    return library.EnergyDDR(clock, timing, vdd, idd, chips, ddr=4, vpp=vpp, ipps=ipp)


def _wires(library, device: dict) -> tuple[float, float]:
    """pJ for a bit read and written, in drivers and terminations at both ends."""
    if "driver_ohm" not in device:
        return 0.0, 0.0
    driver, end = device["driver_ohm"], device["termination_ohm"]
    ohms = library.TermResistance(rz_dev=driver, rz_mc=driver, rtt_nom=end, rtt_wr=end, rtt_mc=end, rs=1e-3)
    found = library.Termination(device["supplies"][0]["volts"], 1, ohms, width=device["width"], level="high")
    gbits = 2 / device["clock_ns"] * device["width"]
    return tuple(float(LOW * 1e3 * watts / gbits)
                 for watts in (found.read_power_total(), found.write_power_total()))


def figures(device: dict) -> dict[str, float]:
    """``read_pj``, ``write_pj``, ``background_mw`` as memories.toml has them: rounded to 0.1 pJ and 1 mW."""
    found = device_energy(device)
    return {
        "read_pj": round(found["read_pj"] + found["row_pj"] + found["read_wires_pj"], 1),
        "write_pj": round(found["write_pj"] + found["row_pj"] + found["write_wires_pj"], 1),
        "background_mw": float(round(found["background_mw"])),
    }


def compare_energies() -> list[tuple]:
    """For each memory with a device: name, the parts of a bit read (burst, row, wires), :func:`figures`, pJ/bit in all
    at full bandwidth.
    """
    rows = []
    for name in MEMORIES:
        memory = load_memory(name)
        if memory.device:
            parts, found = device_energy(memory.device), figures(memory.device)
            total = found["read_pj"] + found["background_mw"] / memory.read_gbs / 8  # mW by 10^9 bit/s is pJ/bit
            rows.append((name, *(parts[key] for key in ("read_pj", "row_pj", "read_wires_pj")),
                         *found.values(), total))
    return rows
