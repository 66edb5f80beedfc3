"""The model against others': cycles against SCALE-Sim, which comes with ``pip install 'apack-hdl[crosscheck]'``."""

import importlib

import numpy as np

from .cycles import compute_cycles
from .layers import Layer
from .machine import Array

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
