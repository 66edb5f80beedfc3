"""What values a float ONNX model computes on real inputs, and the ranges of its quantizers that follow."""

from collections.abc import Callable

import numpy as np

from ..errors import FormatError
from .onnx_model import OnnxModel
from .run_onnx import Session
from .simulate_onnx import ranges, read_tensors

BINS = 2048  # of a histogram between the extremes: 8 for each code of 8 bits
FACTORS = np.linspace(1, 0.1, 19)  # of an extreme; activations have longer tails than weights


def observe(model: OnnxModel, make_feeder: Callable, tell: Callable) -> dict[str, tuple[float, float]]:
    """Lowest and highest value of every tensor that layers read, over all inputs, 0 included.

    Raises FormatError for values that are not finite.
    """
    extremes = {}

    def see(name: str, value: np.ndarray) -> None:
        if not np.isfinite(value).all():
            raise FormatError(f"{model.path}: {name!r} is not finite for these inputs")
        low, high = extremes.get(name, (0.0, 0.0))
        extremes[name] = min(low, float(value.min())), max(high, float(value.max()))

    _run(model, make_feeder, lambda item, number: tell(f"extremes, {item.name}", number), see)
    return extremes


def least_error(
    model: OnnxModel, extremes: dict[str, tuple[float, float]], bits: int, make_feeder: Callable, tell: Callable
) -> dict[str, tuple[float, float]]:
    """Ranges within the extremes whose codes of ``bits`` bits have the least squared error, over all inputs."""
    histograms = {name: np.zeros(BINS, np.int64) for name in extremes}

    def see(name: str, value: np.ndarray) -> None:
        low, high = extremes[name]
        if high > low:
            histograms[name] += np.histogram(value, BINS, (low, high))[0]

    _run(model, make_feeder, lambda item, number: tell(f"histograms, {item.name}", number), see)
    return {name: best_range(counts, *extremes[name], bits) for name, counts in histograms.items()}


def best_range(counts: np.ndarray, low: float, high: float, bits: int) -> tuple[float, float]:
    """The range with the least squared error for values that have these counts, in equal bins from low to high."""
    if high <= low:
        return low, high
    centres = low + (np.arange(len(counts)) + 0.5) * (high - low) / len(counts)
    tried = [(low * a, high * b) for a in (FACTORS if low < 0 else FACTORS[:1])
             for b in (FACTORS if high > 0 else FACTORS[:1])]
    return min(tried, key=lambda limits: _error(counts, centres, *limits, bits))


def _error(counts: np.ndarray, centres: np.ndarray, low: float, high: float, bits: int) -> float:
    scale, zero = ranges(low, high, bits)
    codes = np.clip(np.rint(centres / scale) + zero, 0, 2**bits - 1)
    return float(counts @ np.square((codes - zero) * scale - centres))


def _run(model: OnnxModel, make_feeder: Callable, tell: Callable, see: Callable) -> None:
    """Run the model on all inputs; ``see`` gets every float tensor that layers read."""
    names = read_tensors(model.graphs[0])
    session = Session(model, names)

    def step(feeds):
        results = session.run(feeds)
        for name in names:
            value = results[name] if name in results else feeds[name]
            if value.dtype.kind == "f" and value.size:
                see(name, value)
        return results, None

    for item, number, results in make_feeder(session.ports, session.outputs).run(session.ports, step):
        tell(item, number)
        for _ in results:
            pass
