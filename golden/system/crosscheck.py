"""The model against others': cycles against SCALE-Sim, energies of DRAM against energydram.

Both come with ``pip install 'apack-hdl[crosscheck]'``.
"""

import importlib

import numpy as np

from .cycles import compute_cycles
from .layers import Layer
from .machine import Array
from .memory import MEMORIES, load_memory

SIDE = 32  # rows and columns of the array that is compared: SCALE-Sim makes a matrix of all its operands


def need(module: str):
    """A module of the extra. Raises ValueError if it is not there."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ValueError(f"{module} is missing: pip install 'apack-hdl[crosscheck]' ({error})") from None


def scalesim_cycles(layer: Layer, array: Array) -> int:
    """Compute cycles that SCALE-Sim counts for a layer, one group and one step multiplied by how many there are.

    Raises ValueError without SCALE-Sim.
    """
    kind = {"weights": "ws", "outputs": "os"}[array.dataflow]
    system = getattr(need(f"scalesim.compute.systolic_compute_{kind}"), f"systolic_compute_{kind}")()
    config = need("scalesim.scale_config").scale_config()
    config.array_rows, config.array_cols, config.df = array.rows, array.columns, kind
    config.valid_conf_flag = True
    # Addresses do not matter, only how many there are of them.
    inputs, weights, outputs = (np.zeros(shape) for shape in
                                ((layer.m, layer.k), (layer.k, layer.n), (layer.m, layer.n)))
    more = {}
    if kind == "ws":
        more = {"ifmap_op_mat_original": inputs, "sparsity_filter_array": np.zeros(0)}
    system.set_params(config_obj=config, ifmap_op_mat=inputs, filter_op_mat=weights, ofmap_op_mat=outputs, **more)
    demand, _, _ = system.get_demand_matrices()
    return demand.shape[0] * layer.groups * layer.steps


def compare_cycles(layers: list[Layer], dataflow: str) -> list[tuple[str, int, int]]:
    """For each product of different shape: name, our cycles, SCALE-Sim's."""
    array = Array("systolic", 1.0, rows=SIDE, columns=SIDE, dataflow=dataflow)
    rows, seen = [], set()
    for layer in layers:
        shape = layer.groups, layer.m, layer.n, layer.k, layer.steps
        if layer.macs and shape not in seen:
            seen.add(shape)
            rows.append((layer.name, compute_cycles(layer, array), scalesim_cycles(layer, array)))
    return rows


def device_energy(device: dict) -> dict[str, float]:
    """What energydram makes of a device's currents, for all channels.

    ``read_pj``, ``write_pj``: pJ/bit of the chips for bursts in open rows, ``activate_pj``: for opening a row,
    ``background_mw``: all channels with open rows, refresh included.
    """
    library = need("energydram")
    timing = library.Timing(RRD=device["rrd"], RAS=device["ras"], RP=device["rp"], RFC=device["rfc"],
                            REFI=device["refi"])
    names = ("idd0", "idd2p", "idd2n", "idd3p", "idd3n", "idd4r", "idd4w", "idd5")
    currents = library.IDDs(**{name: device[name] for name in names})
    pump = library.IDDs(**dict.fromkeys(names, device["pump_ma"]))
    dram = library.EnergyDDR(device["clock_ns"], timing, device["voltage"], currents, device["chips"], ddr=4,
                             vpp=device["pump_voltage"], ipps=pump)
    bits, clock = device["burst_bits"], device["clock_ns"]
    standby = dram.background_energy(cycles_bankact_ckehi=1) / clock
    refresh = dram.refresh_energy(1) / (device["refi"] * clock)
    return {
        "read_pj": dram.readwrite_energy(1, 0) / bits, "write_pj": dram.readwrite_energy(0, 1) / bits,
        "activate_pj": dram.activate_energy(1), "background_mw": device["channels"] * (standby + refresh),
    }


def compare_energies() -> list[tuple[str, float, float, float, float]]:
    """For each memory with a device: name, its background in mW here and there, pJ/bit in all here, device alone."""
    rows = []
    for name in MEMORIES:
        memory = load_memory(name)
        if memory.device:
            found = device_energy(memory.device)
            share = found["background_mw"] / memory.read_gbs / 8  # mW by 10^9 bit/s is pJ/bit
            total = memory.read_pj + memory.background_mw / memory.read_gbs / 8
            rows.append((name, memory.background_mw, found["background_mw"], total, found["read_pj"] + share))
    return rows
