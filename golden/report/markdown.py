"""A table of all models in Markdown."""

from pathlib import Path

COLUMNS = ("values", "entropy", "bound", "APack", "over bound", "loss")
PUBLISHED = {"weights": 0.60, "activations": 0.48}  # the paper's averages, of its own models (arXiv:2201.08830)


def markdown(document: dict) -> str:
    """A footprint's models as tables of ratios to raw bits: weights, then activations, then whatever else there is.

    With rivals, the best of them has a column. The last rows are means, and the sums of all models.
    """
    parts = [table for group in ("weights", "activations", "others") if (table := _table(document, group))]
    return "\n".join(parts)


def _table(document: dict, group: str) -> str:
    models = [m for m in document["models"] if m["totals"].get(group, {}).get("raw_bits")]
    if not models:
        return ""
    rivals = document["settings"]["rivals"]
    columns = [c for c in COLUMNS if c != "loss" or group != "weights"] + (["best other scheme"] if rivals else [])
    lines = [_line([group, *columns]), _line(["---"] + ["---:"] * len(columns))]
    for model in models:
        lines.append(_line([Path(model["name"]).stem, *_cells(model["totals"][group], columns)]))
    for label, how in (("mean of the ratios", "mean"), ("all values together", "weighted")):
        lines.append(_line([f"**{label}**", *_mean_cells(document["summary"][group], how, columns, rivals)]))
    if group in PUBLISHED:
        published = {"APack": f"{PUBLISHED[group]:.2f}"}
        lines.append(_line(["published, other models", *(published.get(c, "") for c in columns)]))
    return "\n".join(lines) + "\n"


def _cells(sums: dict, columns: list[str]) -> list[str]:
    raw = sums["raw_bits"]
    cells = {
        "values": f"{sums['values']:,}",
        "entropy": f"{sums['floor_bits'] / raw:.4f}",
        "bound": f"{sums['bound_bits'] / raw:.4f}",
        "APack": f"{sums['apack_bits'] / raw:.4f}",
        "over bound": _percent(sums["overhead"]),
        "loss": _percent(sums["loss"] if sums["profiled"] else None),
        "best other scheme": _best({name: bits / raw for name, bits in sums["rivals"].items()}),
    }
    return [cells[column] for column in columns]


def _mean_cells(summary: dict, how: str, columns: list[str], rivals: list[str]) -> list[str]:
    means = summary[how]
    cells = {
        "values": "",
        "entropy": f"{means['floor']:.4f}",
        "bound": f"{means['bound']:.4f}",
        "APack": f"{means['apack']:.4f}",
        "over bound": _percent(means["apack"] / means["bound"] - 1),
        "loss": _percent(summary["mean_loss"] if how == "mean" else means["apack"] / means["self"] - 1),
        "best other scheme": _best({name: means[name] for name in rivals}),
    }
    return [cells[column] for column in columns]


def _best(ratios: dict[str, float]) -> str:
    if not ratios:
        return ""
    name = min(ratios, key=ratios.get)
    return f"{ratios[name]:.4f} {name}"


def _percent(quotient: float | None) -> str:
    return "" if quotient is None else f"{quotient:.2%}".replace("%", " %")


def _line(cells) -> str:
    return "| " + " | ".join(cells) + " |"
