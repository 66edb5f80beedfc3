"""Tables of all models in Markdown."""

from pathlib import Path

BEST = "best other scheme"
COLUMNS = ("values", "entropy", "bound", "APack", "over bound", "loss", BEST)
IN_SHORT = {"weights": ("entropy", "bound", "APack", BEST), "activations": ("entropy", "bound", "APack", "loss", BEST)}
MEANS = (("mean of the ratios", "mean"), ("all values together", "weighted"))
PUBLISHED = {"weights": 0.60, "activations": 0.48}  # the paper's averages, of its own models (arXiv:2201.08830)


def markdown(document: dict) -> str:
    """A footprint's models as tables of ratios to raw bits.

    First weights and activations side by side, in short; then weights, activations, and whatever else there is, in
    full. With rivals, the best of them has a column; in the end stand those that take less than APack. The last rows
    of a table are means, and the sums of all models.
    """
    groups = [group for group in ("weights", "activations", "others") if group in document["summary"]]
    parts = [_table(document, {group: IN_SHORT[group] for group in groups if group in IN_SHORT})]
    parts += [_table(document, {group: [c for c in COLUMNS if c != "loss" or group != "weights"]}) for group in groups]
    return "\n".join(filter(None, [*parts, _ahead(document)]))


def _table(document: dict, wanted: dict[str, tuple]) -> str:
    """The models that have such tensors, with these columns of each group; the empty text if there are none."""
    rivals = document["settings"]["rivals"]
    places = [(group, column) for group in wanted for column in wanted[group] if column != BEST or rivals]
    rows = [[Path(m["name"]).stem, {g: _cells(m["totals"].get(g)) for g in wanted}] for m in document["models"]]
    rows = [row for row in rows if any(row[1].values())]
    if not rows:
        return ""
    for label, how in MEANS:
        rows.append([f"**{label}**", {group: _mean_cells(document["summary"], group, how, rivals) for group in wanted}])
    if any(group in PUBLISHED for group in wanted):
        published = {group: {"APack": f"{PUBLISHED[group]:.2f}"} for group in wanted}
        rows.append(["published, other models", published])
    first, *_ = wanted
    titles = [c if len(wanted) == 1 or c != wanted[g][0] else f"{g}: {c}" for g, c in places]
    lines = [[first if len(wanted) == 1 else "model", *titles], ["---"] + ["---:"] * len(places)]
    lines += [[label, *(cells[group].get(column, "") for group, column in places)] for label, cells in rows]
    return as_lines(lines)


def _cells(sums: dict | None) -> dict[str, str]:
    """By column, of a model's tensors; nothing of no tensors."""
    if not sums or not sums["raw_bits"]:
        return {}
    raw = sums["raw_bits"]
    return {
        "values": f"{sums['values']:,}",
        "entropy": f"{sums['floor_bits'] / raw:.4f}",
        "bound": f"{sums['bound_bits'] / raw:.4f}",
        "APack": f"{sums['apack_bits'] / raw:.4f}",
        "over bound": percent(sums["overhead"]),
        "loss": percent(sums["loss"]),
        BEST: _best({name: bits / raw for name, bits in sums["rivals"].items()}),
    }


def _mean_cells(summary: dict, group: str, how: str, rivals: list[str]) -> dict[str, str]:
    """By column, over models."""
    if group not in summary:
        return {}
    means, profiled = summary[group][how], summary.get("profiled") if group == "activations" else None
    cells = {
        "entropy": f"{means['floor']:.4f}",
        "bound": f"{means['bound']:.4f}",
        "APack": f"{means['apack']:.4f}",
        "over bound": percent(means["apack"] / means["bound"] - 1),
        BEST: _best({name: means[name] for name in rivals}),
    }
    if profiled:
        weighted = profiled["weighted"]["apack"] / profiled["weighted"]["self"] - 1
        cells["loss"] = percent(profiled["mean_loss"] if how == "mean" else weighted)
    return cells


def _ahead(document: dict) -> str:
    """Which schemes take less than APack, and how much less, in each model."""
    if not document["settings"]["rivals"]:
        return ""
    lines = [["takes less than APack", *IN_SHORT], ["---"] * (1 + len(IN_SHORT))]
    for model in document["models"]:
        line = [Path(model["name"]).stem]
        for group in IN_SHORT:
            sums = model["totals"].get(group)
            less = {n: 1 - b / sums["apack_bits"] for n, b in sums["rivals"].items()} if sums else {}
            ahead = sorted((name for name in less if less[name] > 0), key=less.get, reverse=True)
            line.append(", ".join(f"{name} {percent(less[name])}" for name in ahead))
        lines.append(line)
    return as_lines(lines)


def _best(ratios: dict[str, float]) -> str:
    if not ratios:
        return ""
    name = min(ratios, key=ratios.get)
    return f"{ratios[name]:.4f} {name}"


def percent(quotient: float | None) -> str:
    """Such as "1.25 %"; nothing for None."""
    return "" if quotient is None else f"{quotient:.2%}".replace("%", " %")


def as_lines(rows: list[list[str]]) -> str:
    """A table's rows in Markdown."""
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
