"""How fast the rivals' sizes are computed, and what they are, on made-up tensors: ``python -m golden.rivals bench``."""

import time
from collections.abc import Callable, Iterable

import numpy as np

from ..bench import TENSORS
from ..config import check_int
from . import RIVALS

SLOW = 3.0  # MB/s below which a rival gets a remark
REMARK = "slow: sample large tensors"


def run(
    names: Iterable[str] | None = None, size_mb: float = 4, seed: int = 1, repeat: int = 1,
    progress: Callable[[str], object] | None = None,
) -> list[dict]:
    """Time ``bits`` of the rivals called ``names`` (all) on tensors of ``size_mb`` MB, processor time of the best run.

    The tensors are those of :data:`golden.bench.TENSORS`. ``progress`` is called with a line before each measurement.
    Returns a dictionary per tensor and rival: ``tensor``, ``rival``, ``ratio`` to raw bits, ``mb_s`` and ``remark``;
    where a rival's library is not installed ``ratio`` and ``mb_s`` are None and the remark says what is missing.
    Raises ValueError for a name that is not known or a size that is not above 0.
    """
    names = list(RIVALS if names is None else names)
    if unknown := [name for name in names if name not in RIVALS]:
        raise ValueError(f"names must be among {', '.join(RIVALS)}, not {unknown[0]!r}")
    if not size_mb > 0:
        raise ValueError(f"size_mb must be above 0, not {size_mb}")
    check_int("repeat", repeat, 1, 1000)
    results = []
    for tensor, (draw, config, _) in TENSORS.items():
        count = max(1, int(size_mb * 1e6) // (config.width // 8))
        codes = draw(count, config.width, np.random.default_rng(seed))
        for name in names:
            if progress:
                progress(f"{tensor}: {name}")
            results.append({"tensor": tensor, "rival": name} | _measure(name, codes, config.width, repeat))
    return results


def _measure(name: str, codes: np.ndarray, width: int, repeat: int) -> dict:
    rival = RIVALS[name]
    if missing := rival.missing():
        return {"ratio": None, "mb_s": None, "remark": missing}
    rival.bits(codes[:1000], width)  # loads the library
    times = []
    for _ in range(repeat):
        start = time.process_time()
        bits = rival.bits(codes, width)
        times.append(max(time.process_time() - start, 1e-9))
    speed = codes.nbytes / min(times) / 1e6
    return {"ratio": bits / (codes.size * width), "mb_s": speed, "remark": REMARK if speed < SLOW else ""}
