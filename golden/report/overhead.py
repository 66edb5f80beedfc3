"""What files cost over the optimal-table bound, in Markdown: ``python -m golden.report.overhead FOOTPRINT.json...``

The documents are of ``apack footprint --activation-tables self --json``: tables from elsewhere would be in the figures,
too. A table of the models for the first document, smallest tensors first; a line for each document.
"""

import json
import sys
from pathlib import Path

from .markdown import as_lines, percent

AIM = 0.005
LARGE = 1e6  # values of a model's weights above which the aim is to hold


def models_table(document: dict) -> str:
    """A model a line: how large its tensors are, and what files and an archive of all of them cost."""
    lines = []
    for model in document["models"]:
        every, weights = model["totals"]["all"], model["totals"].get("weights")
        size = every["bound_bits"] / 8e3 / every["tensors"]
        row = [Path(model["name"]).stem, f"{every['bound_bits'] / 8e6:.2f}", f"{size:.1f}"]
        row += [f"{weights['bound_bits'] / 8e6:.2f}" if weights else "", *_over(weights), *_over(every)]
        lines.append((size, row))
    head = ["model", "bound, MB", "kB a tensor", "of weights, MB", "weights", "in an archive", "all", "in an archive"]
    rows = [row for _, row in sorted(lines, key=lambda line: line[0])]
    return as_lines([head, ["---", *["---:"] * (len(head) - 1)], *rows])


def documents_table(documents: list[dict]) -> str:
    """A document a line: its parameters, all models together, and how many miss the aim."""
    head = ["values per block", "M", "weights, together", "all together", "weights above 0.5 %, of models over 1 MB"]
    rows = []
    for document in documents:
        config, models = document["settings"]["config"], document["models"]
        weights = [m["totals"]["weights"] for m in models if "weights" in m["totals"]]
        large = [w for w in weights if w["raw_bits"] > 8 * LARGE]
        missed = sum(w["overhead"] > AIM for w in large)
        both = [_together(weights), _together([m["totals"]["all"] for m in models])]
        rows.append([f"{config['block']:,}", str(config["mult_bits"]), *both, f"{missed} of {len(large)}"])
    return as_lines([head, ["---:"] * len(head), *rows])


def _over(sums: dict | None) -> list[str]:
    if not sums or not sums["bound_bits"]:
        return ["", ""]
    return [percent(sums[name] / sums["bound_bits"] - 1) for name in ("apack_bits", "archive_bits")]


def _together(sums: list[dict]) -> str:
    bound = sum(s["bound_bits"] for s in sums)
    return f"{100 * (sum(s['apack_bits'] for s in sums) / bound - 1):.3f} %" if bound else ""


def main(paths: list[str]) -> int | str:
    documents = []
    for path in paths:
        try:
            documents.append(json.loads(Path(path).read_text("utf-8")))
        except (OSError, ValueError) as error:
            return f"overhead: {path}: {error}"
        kind = documents[-1].get("format") if isinstance(documents[-1], dict) else None
        if kind != "apack-footprint" or documents[-1]["settings"]["activation_tables"] != "self":
            return f"overhead: {path}: must be of apack footprint --activation-tables self --json"
    if not documents:
        return "overhead: which documents?"
    print(models_table(documents[0]), documents_table(documents), sep="\n", end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
