"""Pictures of a system document: a roofline, times by layer, energy by what takes it. Matplotlib is imported late."""

import io
from pathlib import Path

from .tables import PARTS

SCHEMES = {"raw": ("0.55", "raw"), "apack, chosen": ("tab:blue", "APack, chosen")}
GAINS = {"apack, chosen": "tab:blue", "apack, ideal engines": "tab:cyan"}
MOST_LAYERS = 60  # bars that can be told apart


def picture_of_gains(document: dict) -> bytes:
    """:func:`gains` as an SVG file."""
    with _plain():
        return _svg(gains(document))


def pictures(document: dict, model: dict) -> dict[str, bytes]:
    """SVG files by name: ``roofline``, ``layers``, ``energy`` of one model. The same document gives the same bytes.

    Raises ModuleNotFoundError without matplotlib.
    """
    with _plain():
        return {
            "roofline": _svg(roofline(document, model)), "layers": _svg(layer_bars(model)),
            "energy": _svg(energy_stack(model)),
        }


def gains(document: dict):
    """For each model the speedup and the energy efficiency of APack, its engines as they are and without cost."""
    names = [Path(model["name"]).stem for model in document["models"]] + ["geometric mean"]
    found = [model["schemes"] for model in document["models"]] + [document["summary"]]
    figure = _figure(7.5, 0.42 * len(names) + 1.6)
    for axes, key in zip(figure.subplots(1, 2, sharey=True), ("speedup", "efficiency"), strict=True):
        for shift, (scheme, color) in zip((-0.2, 0.2), GAINS.items(), strict=True):
            values = [schemes[scheme][key] for schemes in found]
            bars = axes.barh([i + shift for i in range(len(names))], values, 0.4, color=color, label=scheme)
            axes.bar_label(bars, fmt="%.2f", fontsize=7, padding=2)
        axes.set_yticks(range(len(names)), names, fontsize=8, parse_math=False)
        axes.set(title={"speedup": "Speedup", "efficiency": "Energy efficiency"}[key], xlabel="times raw storage")
        axes.axvline(1, color="black", lw=0.8)
        axes.margins(x=0.12)
    axes.invert_yaxis()
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=8)
    return figure


def _figure(width: float, height: float):
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _plain():
    """Settings with which the same document gives the same bytes."""
    import matplotlib

    matplotlib.use("Agg")
    return matplotlib.rc_context({"svg.hashsalt": "apack", "svg.fonttype": "none"})


def _svg(figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def roofline(document: dict, model: dict):
    """Layers as points: MACs for each byte moved, and MACs a second; the roofs are the array and the memory."""
    array, memory = document["machine"]["array"], document["memory"]
    figure = _figure(7.5, 4.6)
    axes = figure.subplots()
    xs = []
    for name, (color, text) in SCHEMES.items():
        points = [(layer["macs"] / layer[name]["traffic"], layer["macs"] / layer[name]["time"])
                  for layer in model["layers"] if layer["macs"] and layer[name]["traffic"]]
        if points:
            xs += [x for x, _ in points]
            axes.scatter(*zip(*points, strict=True), s=16, color=color, label=f"{text}: layers", alpha=0.8, lw=0)
    units = array["units"] * array["m"] * array["n"] * array["k"] if array["kind"] == "cores" else (
        array["rows"] * array["columns"])
    peak, bandwidth = units * array["clock_ghz"], memory["read_gbs"] * memory["efficiency"]
    ridge = peak / bandwidth
    low, high = min([*xs, ridge]) / 2, max([*xs, ridge]) * 2
    axes.plot([low, ridge, high], [low * bandwidth, peak, peak], color="black", lw=1.2, label="array and memory")
    axes.set(xscale="log", yscale="log", xlabel="MACs per byte to or from memory", ylabel="10^9 MACs per second",
             title="Roofline: compression moves layers to the right")
    axes.grid(True, which="both", lw=0.3)
    axes.legend(fontsize=8)
    return figure


def layer_bars(model: dict):
    """For each layer two bars, raw and APack, with what the array alone would take as a line across."""
    layers = sorted(range(len(model["layers"])), key=lambda i: -model["layers"][i]["raw"]["time"])[:MOST_LAYERS]
    layers = [model["layers"][i] for i in sorted(layers)]
    figure = _figure(max(7.5, 0.2 * len(layers) + 1.5), 4.2)
    axes = figure.subplots()
    for shift, (name, (color, text)) in zip((-0.21, 0.21), SCHEMES.items(), strict=True):
        places = [i + shift for i in range(len(layers))]
        axes.bar(places, [layer[name]["time"] / 1e3 for layer in layers], 0.4, color=color, label=f"{text}: time")
        memory = [layer[name]["memory"] / 1e3 for layer in layers]
        axes.bar(places, memory, 0.4, fill=False, ec="black", lw=0.6, label="of that, memory" if shift < 0 else None)
    compute = [layer["raw"]["compute"] / 1e3 for layer in layers]
    axes.hlines(compute, [i - 0.45 for i in range(len(layers))], [i + 0.45 for i in range(len(layers))],
                color="tab:red", lw=1.4, label="compute")
    axes.set_xticks(range(len(layers)), [layer["name"][-18:] for layer in layers], rotation=90, fontsize=5,
                    parse_math=False)
    shown = "" if len(layers) == len(model["layers"]) else f" (the longest {len(layers)})"
    axes.set(ylabel="µs", title=f"Time by layer{shown}")
    axes.legend(fontsize=8)
    return figure


def energy_stack(model: dict):
    """Each scheme's energy, by what takes it."""
    names = list(model["schemes"])
    figure = _figure(7.5, 0.34 * len(names) + 1.4)
    axes = figure.subplots()
    left = [0.0] * len(names)
    for part, text in PARTS.items():
        values = [model["schemes"][name][part] / 1e6 for name in names]
        if any(values):
            axes.barh(names, values, left=left, label=text)
            left = [a + b for a, b in zip(left, values, strict=True)]
    axes.invert_yaxis()
    axes.set(xlabel="µJ", title="Energy")
    axes.legend(fontsize=8)
    return figure
