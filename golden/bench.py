"""How fast the golden codec is, beside an entropy coder of reference: MB of tensor a second, each way.

Pure functions; the command ``apack bench`` shows what :func:`run` returns, and so does ``python -m golden.bench``.
Time is processor time, of one core: neither numpy's element-wise operations nor constriction's coders use more than
one thread, and what other programs take does not count. They still compete for cache and memory, so the codecs take
turns on the same data: the ratio of their speeds says more than the speeds.
"""

import argparse
import importlib
import importlib.util
import json
import os
import statistics
import time
from collections.abc import Callable

import numpy as np

from . import lockstep
from .codec import code_type
from .config import CodecConfig, check_int
from .search import histogram, search_table

LOCKSTEP = "APack (lock-step numpy)"


def weights(count: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Codes distributed like the weights of a layer: Laplacian around zero."""
    scale = {8: 9, 16: 1500}[width]
    half = 1 << (width - 1)
    values = np.clip(np.rint(rng.laplace(0, scale, count)), -half, half - 1)
    return values.astype(np.int64).astype(code_type(width))


def activations(count: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Codes distributed like the activations behind a ReLU: most of them zero, half a Gaussian above."""
    largest = (1 << (width - 1)) - 1
    return np.clip(np.rint(rng.normal(-0.06, 0.19, count) * largest), 0, largest).astype(code_type(width))


TENSORS = {
    "8-bit weights": (weights, CodecConfig(), False),
    "8-bit activations": (activations, CodecConfig(), True),
    "16-bit weights": (weights, CodecConfig(width=16), False),
}


class _Lockstep:
    """Our own codec. Its table is searched; activations need one that covers all values."""

    def __init__(self, codes: np.ndarray, config: CodecConfig, cover_all: bool):
        self.config, self.cover_all = config, cover_all
        self.starts = np.arange(0, len(codes), config.block)
        self.counts = np.minimum(config.block, len(codes) - self.starts)
        self.codes = codes

    def search(self, counts: np.ndarray):
        self.table = search_table(self.config, counts, cover_all=self.cover_all).table

    def encode(self):
        return lockstep.encode_blocks(self.table, self.codes, self.starts, self.counts)

    def decode(self, coded) -> np.ndarray:
        sizes = coded.symbol_bytes + coded.offset_bytes
        starts = np.cumsum(sizes) - sizes
        return lockstep.decode_blocks(
            self.table, coded.data, starts, coded.symbol_bytes, coded.offset_bytes, self.counts
        )

    @staticmethod
    def size(coded) -> int:
        return len(coded.data)


class _Constriction:
    """What constriction's two coders share: a categorical model of all values, one stream for the whole tensor."""

    def __init__(self, codes: np.ndarray, config: CodecConfig, cover_all: bool):
        self.stream = importlib.import_module("constriction").stream
        self.unseen = float(cover_all)  # counts added to every value, so that all of them have a code
        self.symbols = codes.astype(np.int32)

    def search(self, counts: np.ndarray):
        counts = counts + self.unseen
        self.model = self.stream.model.Categorical(counts / counts.sum(), perfect=False)

    @staticmethod
    def size(coded) -> int:
        return coded.nbytes


class _Ans(_Constriction):
    def encode(self):
        coder = self.stream.stack.AnsCoder()
        coder.encode_reverse(self.symbols, self.model)
        return coder.get_compressed()

    def decode(self, coded) -> np.ndarray:
        return self.stream.stack.AnsCoder(coded).decode(self.model, len(self.symbols))


class _RangeCoder(_Constriction):
    def encode(self):
        coder = self.stream.queue.RangeEncoder()
        coder.encode(self.symbols, self.model)
        return coder.get_compressed()

    def decode(self, coded) -> np.ndarray:
        return self.stream.queue.RangeDecoder(coded).decode(self.model, len(self.symbols))


def codecs() -> dict[str, type]:
    """The codecs to measure, by name: constriction's only where it is installed."""
    found = {LOCKSTEP: _Lockstep}
    if importlib.util.find_spec("constriction"):
        found |= {"constriction ANS": _Ans, "constriction range coder": _RangeCoder}
    return found


def run(
    size_mb: float = 32, seed: int = 1, repeat: int = 3, progress: Callable[[str], object] | None = None
) -> list[dict]:
    """Measure every codec on every tensor of ``size_mb`` MB (10**6 bytes), ``repeat`` times.

    ``progress`` is called with a line of text before each step. Returns one dictionary per tensor and codec:
    names ``tensor``, ``codec``; ``ratio`` of coded to raw size; ``count_ms`` to count the values and ``table_ms`` to
    find the table, or make the model, from the counts (best); speeds ``encode_mb_s``, ``decode_mb_s`` (best) and
    ``.._median_mb_s``; and ``.._times``, best speed over our own. Raises TypeError or ValueError for a size or a
    number of runs that makes no sense.
    """
    check_int("repeat", repeat, 1, 1000)
    if not size_mb > 0:
        raise ValueError(f"size_mb must be above 0, not {size_mb}")
    results = []
    for tensor, (draw, config, cover_all) in TENSORS.items():
        count = max(1, int(size_mb * 1e6) // (config.width // 8))
        codes = draw(count, config.width, np.random.default_rng(seed))
        measured = _measure(tensor, codes, config, cover_all, repeat, progress or (lambda text: None))
        own = measured[0]
        for result in measured:
            for way in ("encode", "decode"):
                result[f"{way}_times"] = result[f"{way}_mb_s"] / own[f"{way}_mb_s"]
        results += measured
    return results


def _measure(tensor, codes, config, cover_all, repeat, progress) -> list[dict]:
    makers, ready, times = codecs(), {}, {}
    for name, maker in makers.items():
        progress(f"{tensor}: table for {name}")
        ready[name] = maker(codes, config, cover_all)
        times[name] = {"count": [], "table": [], "encode": [], "decode": []}
        for _ in range(repeat):
            took, counts = _timed(histogram, codes, config.width)
            times[name]["count"].append(took)
            times[name]["table"].append(_timed(ready[name].search, counts)[0])
    sizes = {}
    for i in range(repeat):
        for name, codec in ready.items():
            progress(f"{tensor}: {name}, run {i + 1} of {repeat}")
            took, coded = _timed(codec.encode)
            times[name]["encode"].append(took)
            took, back = _timed(codec.decode, coded)
            times[name]["decode"].append(took)
            if not np.array_equal(back, codes):
                raise AssertionError(f"{name} did not give back the {tensor}")
            sizes[name] = codec.size(coded)
    return [_summary(tensor, name, codes.nbytes, sizes[name], times[name]) for name in makers]


def _timed(function, *arguments) -> tuple[float, object]:
    start = time.process_time()
    result = function(*arguments)
    return max(time.process_time() - start, 1e-9), result


def _summary(tensor, name, raw, size, times) -> dict:
    result = {"tensor": tensor, "codec": name, "ratio": size / raw}
    result |= {f"{step}_ms": min(times[step]) * 1e3 for step in ("count", "table")}
    for way in ("encode", "decode"):
        result[f"{way}_mb_s"] = raw / min(times[way]) / 1e6
        result[f"{way}_median_mb_s"] = raw / statistics.median(times[way]) / 1e6
    return result


def _write(path: str, text: str) -> None:
    """Write a file whole or not at all."""
    part = f"{path}.part{os.getpid()}"
    try:
        with open(part, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(part, path)
    except OSError:
        if os.path.exists(part):
            os.unlink(part)
        raise


def main(arguments: list[str] | None = None) -> None:
    """Print the results, and write them as JSON if asked to."""
    parser = argparse.ArgumentParser(prog="python -m golden.bench", description="Speed of the golden codec.")
    parser.add_argument("--size", type=float, default=32, metavar="MB", help="size of the tensors (32)")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each; the best counts (3)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the tensors (1)")
    parser.add_argument("--json", metavar="OUT", help="write the results to this file")
    asked = parser.parse_args(arguments)
    try:
        results = run(asked.size, asked.seed, asked.repeat)
        if asked.json:
            _write(asked.json, json.dumps(results, indent=2) + "\n")
    except (ValueError, OSError) as error:
        parser.error(str(error))
    for result in results:
        print("  ".join(f"{key} {value:.3g}" if isinstance(value, float) else value for key, value in result.items()))


if __name__ == "__main__":
    main()
