"""What other tables from the same profiling inputs would cost: reprints a table of FOOTPRINT.md.

``python -m golden.footprint.smoothing PACK...``: for each activation with two inputs or more, a table from the other
inputs, made in several ways, codes the one left out; costs are ideal code lengths with the table's bits, in percent
over a table of the tensor's own, for each pack. Tensors of more than 13 bits are left out: their searches are slow.
"""

import sys
from pathlib import Path

import numpy as np

from ..codec import default_bits, to_codes
from ..search import EXACT_WIDTH, histogram, search_table
from ..tensors import open_model
from .settings import Settings, together

SCALE = 1 << 16  # real-valued histograms become integers


def _smoothed(counts: np.ndarray, share: float, reach: int) -> np.ndarray:
    """A share of the mass spread over ``reach`` neighbours to either side, nearer ones more."""
    kernel = reach + 1.0 - np.abs(np.arange(-reach, reach + 1))
    return (1 - share) * counts + share * np.convolve(counts, kernel / kernel.sum(), "same")


def _of_inputs(how, histograms: list[np.ndarray]) -> np.ndarray:
    """The inputs' distributions joined value by value, of the mass they have together."""
    joined = how(np.array([counts / max(counts.sum(), 1) for counts in histograms]))
    return joined / joined.sum() * sum(counts.sum() for counts in histograms)


WAYS = {
    "sum": lambda all: sum(all),
    "add 0.5": lambda all: sum(all) + 0.5,
    "0.1 % even": lambda all: sum(all) + 0.001 * sum(all).mean(),
    "2 % even": lambda all: sum(all) + 0.02 * sum(all).mean(),
    "smoothed, 3": lambda all: _smoothed(sum(all), 0.5, 1),
    "smoothed, 7": lambda all: _smoothed(sum(all), 0.5, 3),
    "power 0.9": lambda all: _of_inputs(lambda p: p[0] ** 0.9, [sum(all)]),
    "roots": lambda all: _of_inputs(lambda p: np.sqrt(p).mean(axis=0) ** 2, all),
    "greatest": lambda all: _of_inputs(lambda p: p.max(axis=0), all),
}


def losses(path) -> dict[str, float]:
    """By way, the cost over own tables, as a quotient less 1; empty for a pack with nothing to measure."""
    bits = dict.fromkeys(("own", *WAYS), 0.0)
    with open_model(path) as model:
        for group in together(model.records):
            if len(group) < 2:
                continue
            arrays = [model.load(record) for record in group]
            width = group[0].bits or default_bits(arrays[0].dtype)
            if width <= EXACT_WIDTH:
                _add(bits, Settings().config_for(width), [histogram(to_codes(a, width)[0], width) for a in arrays])
    return {way: bits[way] / bits["own"] - 1 for way in WAYS} if bits["own"] else {}


def _add(bits: dict[str, float], config, counts: list[np.ndarray]) -> None:
    """Add the costs of each input of one activation."""
    for index, one in enumerate(counts):
        raw = float(one.sum()) * config.width

        def cost(table, one=one, raw=raw) -> float:
            row = config.width + config.prob_bits + 1
            return min(raw, table.cost_bits(one) + row * len(table.v_min))

        bits["own"] += cost(search_table(config, one).table)
        others = counts[:index] + counts[index + 1 :]
        for way, join in WAYS.items():
            joined = join(others)
            joined = joined if joined.dtype.kind == "i" else np.rint(joined * SCALE).astype(np.int64)
            bits[way] += cost(search_table(config, joined, cover_all=True).table)


def main(paths: list[str]) -> None:
    """Print a line for each pack, then means and worst cases."""
    found = {Path(path).stem: result for path in paths if (result := losses(path))}
    for name, result in found.items():
        print(f"{name:28}", *(f"{way}: {100 * loss:.2f}" for way, loss in result.items()), sep="  ")
    for way in WAYS if found else ():
        every = [100 * result[way] for result in found.values()]
        print(f"| {way} | {np.mean(every):.2f} | {max(every):.2f} |")


if __name__ == "__main__":
    main(sys.argv[1:])
