"""A system document as rows of text, for terminal and HTML alike: ``(columns, rows)`` each."""

from pathlib import Path

PARTS = {"mac_pj": "MACs", "sram_pj": "buffers", "memory_pj": "memory", "codec_pj": "codec", "static_pj": "static"}
MUCH = 0.05  # of the weights not multiplied: then the layers are not the network
SHORT = {
    "convolution": "conv", "depthwise": "depth", "fully connected": "dense", "elementwise": "values",
    "weights only": "weights", "decoders": "dec", "encoders": "enc", "compute": "array",
}


def scheme_rows(model: dict):
    """Time, energy, traffic of each scheme."""
    columns = ("scheme", "time", "speedup", "energy", "efficiency", "traffic", "capacity")
    return columns, [
        (name, time_text(s["time"]), f"{s['speedup']:.3f}", energy_text(s["energy"]), f"{s['efficiency']:.3f}",
         f"{s['traffic']:.3f}", f"{s['capacity']:.2f}")
        for name, s in model["schemes"].items()
    ]


def layer_rows(model: dict):
    """Each layer: how big, how well it fills the array, how long it takes (µs), and what it waits for meanwhile."""
    columns = ("layer", "kind", "MMAC", "array", "raw", "waits", "APack", "waits", "chosen")
    return columns, [
        (layer["name"][-20:], SHORT.get(layer["kind"], layer["kind"]), f"{layer['macs'] / 1e6:.2f}",
         f"{layer['utilization']:.0%}" if layer["utilization"] else "-",
         *(cell for name in ("raw", "apack") for cell in
           (f"{layer[name]['time'] / 1e3:.2f}", SHORT.get(layer["bound"][name], layer["bound"][name]))),
         f"{layer['apack, chosen']['time'] / 1e3:.2f}")
        for layer in model["layers"]
    ]


def technology_rows(answers: dict):
    """Each memory with APack; the smallest that keeps up is marked."""
    columns = ("memory", "GB/s", "raw", "APack", "speedup", "efficiency", "keeps up")
    return columns, [
        (t["name"], f"{t['read_gbs']:g}", time_text(t["raw_time"]), time_text(t["time"]), f"{t['speedup']:.3f}",
         f"{t['efficiency']:.3f}", "smallest" if t["smallest"] else "yes" if t["keeps"] else "no")
        for t in answers["technologies"]
    ]


def need_rows(document: dict, found: dict):
    """Up to which ratio of all tensors each scheme pays, in time and in energy, and what memory it needs to be as fast
    as raw storage on the one that was asked for.

    ``found``: a model's answers by scheme, or the summary of a study. Rivals' engines cost nothing, so theirs is 1.
    """
    memory = document["memory"]
    columns = ("scheme", "break-even", "energy", "GB/s", f"of {memory['name']}", "slowest memory", "engines")
    rows = []
    for name, s in found.items():
        if "break_even" not in s:
            continue
        share = s["bandwidth_share"]
        needed = ("-", "-") if share is None else (f"{share * memory['read_gbs']:.1f}", f"{share:.0%}")
        last = s["memory"] or "-" if "memory" in s else f"{s['keeps']} of {s['models']} keep up"
        rows.append((name, *("-" if value is None else f"{value:.2f}" for value in s["break_even"].values()), *needed,
                     last, "the machine's" if "engines" in s["sensitivity"] else "free"))
    return columns, rows


def sensitivity_rows(found: dict, keys=("speedup", "efficiency")):
    """Gains with one parameter multiplied (of decoders' streams: with so many), of a model's answers by scheme, or of
    the summary of a study.
    """
    rows = [(name, parameter, ", ".join(f"{row['factor']:g}: {'/'.join(f'{row[key]:.2f}' for key in keys)}"
                                        for row in some))
            for name, s in found.items() for parameter, some in s.get("sensitivity", {}).items()]
    return ("scheme", "parameter", f"times: {'/'.join(keys)}"), rows


LOST = {"left_raw": "left raw", "pipeline": "pipelines", "first_block": "first blocks", "rate": "rate",
        "rounding": "rounding", "all": "in all"}


def lost_cells(lost: dict | None, parts=tuple(LOST)) -> tuple:
    """Shares of what compression alone would save."""
    return tuple("-" if lost is None else f"{lost[part]:.0%}" for part in parts)


def lost_rows(schemes: dict):
    """What compression alone would gain, and where it went: of a model's schemes, or of a summary."""
    columns = ("scheme", "alone: speedup", *(f"lost: {text}" if i == 0 else text for i, text in
                                              enumerate(LOST.values())))
    return columns, [(name, f"{s['alone_speedup']:.3f}", *lost_cells(s["lost"]))
                     for name, s in schemes.items() if name.startswith("apack")]


def block_rows(answers: dict):
    """Gains with blocks of fixed lengths, everything coded, and what is lost to what."""
    parts = ("pipeline", "first_block", "rate", "rounding")
    first, *others = (LOST[part] for part in parts)
    columns = ("values a block", "speedup", "alone", f"lost: {first}", *others, "traffic")
    return columns, [
        (f"{b['block']}{' (best)' if b['best'] else ''}", f"{b['speedup']:.3f}", f"{b['alone_speedup']:.3f}",
         *lost_cells(b["lost"], parts), f"{b['traffic']:.3f}")
        for b in answers["blocks"]
    ]


def model_rows(document: dict):
    """Each model on a line: what the engines gain, and what ones of no cost would."""
    columns = ("model", "speedup", "efficiency", "traffic", "ideal: speedup", "efficiency")
    rows = [(Path(model["name"]).stem, model["schemes"]) for model in document["models"]]
    rows.append(("geometric mean", document["summary"]))
    return columns, [
        (name, *(f"{schemes['apack, chosen'][key]:.3f}" for key in ("speedup", "efficiency", "traffic")),
         *(f"{schemes['apack, ideal engines'][key]:.3f}" for key in ("speedup", "efficiency")))
        for name, schemes in rows
    ]


def summary_rows(document: dict):
    """Means over the models."""
    columns = ("scheme", "speedup", "efficiency", "traffic", "capacity", "of weights")
    return columns, [
        (name, *(f"{s[key]:.3f}" for key in ("speedup", "efficiency", "traffic", "capacity", "weights_capacity")))
        for name, s in document["summary"].items()
    ]


def warning(model: dict) -> list[str]:
    """A line if weights are not multiplied; a loud one if they are many."""
    share = model["unmultiplied"]
    if share > MUCH:
        return [f"WARNING: {share:.0%} of the weights are not multiplied, because no input and result of theirs could "
                "be found: times and energies are not the network's"]
    return [f"{share:.1%} of the weights are not multiplied (notes below)"] if share else []


def answer_lines(document: dict, model: dict) -> list[str]:
    """What the study found, and what could not be derived, in sentences."""
    lines = []
    if not model["macs"]:
        lines.append("no layer with MACs could be derived: that takes activations (apack profile), or --context")
    for name in ("raw", "apack, chosen"):
        lines.append(f"energy, {name}: {shares(model['schemes'][name])}")
    if "answers" in model:
        answers = model["answers"]
        best = next(b for b in answers["blocks"] if b["best"])
        lines.append(f"best single block length, all coded: {best['block']} values (speedup {best['speedup']:.3f})")
    return lines + [f"{count} x {note}" for note, count in model["notes"].items()]


def shares(scheme: dict) -> str:
    """What takes how much of a scheme's energy."""
    found = {text: scheme[part] / scheme["energy"] for part, text in PARTS.items() if scheme["energy"]}
    return ", ".join(f"{text} {share:.0%}" for text, share in found.items() if share)


def time_text(ns: float) -> str:
    """Nanoseconds in a fitting unit."""
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if ns >= size:
            return f"{ns / size:.3g} {unit}"
    return f"{ns:.3g} ns"


def energy_text(pj: float) -> str:
    """Picojoules in a fitting unit."""
    for unit, size in (("J", 1e12), ("mJ", 1e9), ("µJ", 1e6), ("nJ", 1e3)):
        if pj >= size:
            return f"{pj / size:.3g} {unit}"
    return f"{pj:.3g} pJ"
