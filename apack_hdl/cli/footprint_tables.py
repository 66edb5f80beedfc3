"""Tables of footprints for the terminal."""

from pathlib import Path

from golden.archive import FRONT_BYTES

from .support import counted, print_table, say

# What to print a further table of: the column it begins with, and where the document has it.
PER = {"model": None, "layer": ("layer", "layers"), "tensor": ("tensor", "tensors")}

COLUMNS = ("tensors", "values", "entropy", "bound", "APack", "over", "loss")
LEGEND = (
    "ratios to raw bits; bound: the best table, itself not counted;\n"
    "over: APack over the bound; loss: what tables from other inputs cost of it"
)
SPEED = "MB of tensors a second of processor time"


def render(document: dict, per: str, seconds: float) -> None:
    """Print the tables of a document of :func:`golden.footprint.document`, and how long it took to measure."""
    for model in document["models"]:
        if not model["totals"]["all"]["values"]:
            say(f"{model['name']}: {counted(len(model['tensors']), 'tensor')} without values, nothing to measure")
            continue
        print_table(model["name"], COLUMNS, footprint_rows(model))
        if PER[per]:
            first, name = PER[per]
            print_table("", (first, "values", "share", "entropy", "bound", "APack"), map(_detail, model[name]))
        if document["settings"]["rivals"]:
            print_table("other schemes", ("scheme", *_groups(model)), scheme_rows(model))
        for line in notes(model):
            say(line)
    if len(document["models"]) > 1:
        print_table(f"{len(document['models'])} models", ("ratio", *COLUMNS[2:5]), summary_rows(document["summary"]))
        for line in losses(document):
            say(line)
    say(LEGEND)
    size = sum(model["totals"]["all"]["raw_bits"] for model in document["models"]) / 8e6
    say(f"{size:.2f} MB of tensors measured in {seconds:.1f} s, {size / seconds:.1f} MB/s")
    speeds = (f"{Path(model['name']).name} {model['speed']['mb_per_s']:.1f}" for model in document["models"])
    say(f"{SPEED}: {', '.join(speeds)}")


def footprint_rows(model: dict) -> list[tuple[str, ...]]:
    """A row for each kind of tensor, all of them, those that were profiled, and each role in the model."""
    parts = {f"- {role}": sums for role, sums in model["roles"].items()}
    profiled = model["profiled"]["tensors"]
    if 0 < profiled < model["totals"]["activations"]["tensors"]:
        parts = {"- profiled": model["profiled"]} | parts
    return [_row(name, sums) for name, sums in (model["totals"] | parts).items() if sums["raw_bits"]]


def _row(name: str, sums: dict) -> tuple[str, ...]:
    overhead = "-" if sums["overhead"] is None else f"{sums['overhead']:+.2%}"
    loss = "-" if sums["loss"] is None else f"{sums['loss']:.2%}"
    return name, f"{sums['values']:,}", *_ratios(sums), overhead, loss


def _ratios(sums: dict) -> tuple[str, ...]:
    names = ("floor_bits", "bound_bits", "apack_bits")
    return tuple(f"{sums[name] / sums['raw_bits']:.4f}" if sums["raw_bits"] else "-" for name in names)


def _detail(item: dict) -> tuple[str, ...]:
    """A row for a layer or a tensor."""
    which = "" if item.get("input") is None else f" [{item['input']}]"
    return item["name"] + which, f"{item.get('whole_values', item['values']):,}", f"{item['share']:.2%}", *_ratios(item)


def _groups(model: dict) -> list[str]:
    return [name for name, sums in model["totals"].items() if sums["raw_bits"]]


def scheme_rows(model: dict) -> list[tuple[str, ...]]:
    """A row for each scheme, the best first: its ratio for each kind of tensor."""
    found = {group: model["totals"][group] for group in _groups(model)}
    bits = {"APack": {group: sums["apack_bits"] for group, sums in found.items()}}
    own = {group: sums["self_bits"] for group, sums in found.items()}
    if own != bits["APack"]:
        bits["APack, own tables"] = own
    for name in next(iter(found.values()))["rivals"]:
        bits[name] = {group: sums["rivals"][name] for group, sums in found.items()}
    ranked = sorted(bits.items(), key=lambda item: item[1]["all"])
    return [(name, *(f"{by[group] / found[group]['raw_bits']:.4f}" for group in found)) for name, by in ranked]


def notes(model: dict) -> list[str]:
    """What has to be known about the figures of this model."""
    total, lines = model["totals"]["all"], []
    whole = total["whole"]
    if total["values"] != whole["values"]:
        lines.append(
            f"these are {total['values']:,} of {whole['values']:,} values, the beginnings of tensors;\n"
            f"extrapolated to whole tensors: entropy {whole['floor_bits'] / whole['raw_bits']:.4f}, "
            f"APack {whole['ratio']:.4f}"
        )
    archives = (_archive(name, sums) for name, sums in model["totals"].items() if sums["bound_bits"])
    if total["bound_bits"]:
        lines.append(f"as archives without names, and over the bound:\n{'; '.join(archives)}")
    if any(tensor["table_from"] == "only input" for tensor in model["tensors"]):
        lines.append("activations of one input only: coded with tables of their own")
    for left in model["info"].get("skipped", ()):
        tensors, values = counted(left["tensors"], "tensor"), counted(left["values"], "value")
        lines.append(f"not read: {tensors}, {values}: {left['reason']}")
    return lines


def _archive(name: str, sums: dict) -> str:
    """The ratio of an archive of these tensors alone, and what it is over the bound."""
    bits = sums["archive_bits"] + 8 * FRONT_BYTES
    return f"{name} {bits / sums['raw_bits']:.4f}, {bits / sums['bound_bits'] - 1:+.2%}"


def summary_rows(summary: dict) -> list[tuple[str, ...]]:
    """Means over models, and their sums; profiled activations apart if there are others."""
    rows = []
    same = summary.get("profiled") == summary.get("activations")
    for group in (name for name in summary if name != "whole" and not (same and name == "profiled")):
        for label, how in (("mean", "mean"), ("by values", "weighted")):
            rows.append((f"{group}, {label}", *(f"{summary[group][how][n]:.4f}" for n in ("floor", "bound", "apack"))))
    return rows


def losses(document: dict) -> list[str]:
    """The mean of what tables from other inputs cost."""
    profiled = document["summary"].get("profiled")
    if not profiled:
        return []
    source = "the first input" if document["settings"]["activation_tables"] == "first" else "the other inputs"
    each = ((Path(m["name"]).name, m["profiled"]["loss"]) for m in document["models"])
    found = ", ".join(f"{name} {loss:.2%}" for name, loss in each if loss is not None)
    return [f"loss of activations with tables from {source}: {found}; mean {profiled['mean_loss']:.2%}"]
