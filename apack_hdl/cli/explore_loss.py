"""What a choice of M, N and P costs in compression: the coder's exact output against one of full precision.

Only the recurrence of the coder is run, for all blocks of a file in lock step; the bits follow from its shifts.
"""

import hashlib
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

import golden
from golden import codec
from golden.config import CodecConfig
from golden.header import table_bytes
from golden.recurrence import RangeEncoder
from golden.search import histogram, search_table
from golden.table import SymbolTable
from golden.tensors import open_model
from synth.explore import Job, Task, hash_of, source_hash

STEPS = 256  # worked on at a time
# The coder that all are compared with: of all rows that the format allows, with real-valued probabilities.
REFERENCE = {"rows": 64, "prob_bits": 15, "mult_bits": 16}


def loss_tasks(configs: Iterable[CodecConfig], paths: list[Path]) -> list[Task]:
    """What tensors of these files take without any loss, for each width, and with each of the configurations."""
    configs = dict.fromkeys(configs)
    ideal = dict.fromkeys(ideal_config(config.width) for config in configs)
    work = [(name_of("reference", config), reference, config) for config in ideal]
    work += [(name_of("coder", config), coded, config) for config in configs]
    return [Task(name, partial(_job, name, function, config, paths)) for name, function, config in work]


def losses_of(config: CodecConfig, results: dict[str, dict]) -> dict[str, float | None]:
    """The figures of a configuration, from the results of those tasks by name.

    ``loss_percent``: bits above the reference's, in per cent of it; ``table_percent``: bits of the tables likewise;
    ``precision_percent``: bits above those of a coder of unlimited precision with the same tables, in per cent of
    them; ``bits_per_value`` with tables. None if no tensor has this width.
    """
    ideal, real = results[name_of("reference", ideal_config(config.width))], results[name_of("coder", config)]
    if not ideal["values"]:
        return dict.fromkeys(("precision_percent", "loss_percent", "table_percent", "bits_per_value"))
    bits = ideal["reference_bits"] or 1.0  # tensors of a single value take none
    exact = real["exact_bits"] or 1.0
    return {
        "precision_percent": 100 * (real["stream_bits"] / exact - 1),
        "loss_percent": 100 * (real["stream_bits"] / bits - 1),
        "table_percent": 100 * real["table_bits"] / bits,
        "bits_per_value": (real["stream_bits"] + real["table_bits"]) / ideal["values"],
    }


def name_of(what: str, config: CodecConfig) -> str:
    """The name of a task."""
    return f"{what}-w{config.width}-n{config.rows}-p{config.prob_bits}-m{config.mult_bits}"


def ideal_config(width: int) -> CodecConfig:
    """What the reference is searched with."""
    return CodecConfig(width=width, block=1, **REFERENCE)


def _job(name: str, function, config: CodecConfig, paths: list[Path]) -> Job:
    data = [hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in paths]
    sources = source_hash(Path(golden.__path__[0])), source_hash(Path(__file__).parent, Path(__file__).name)
    return Job(name, hash_of([name, data, config.to_dict(), sources]), function, (list(map(str, paths)), config))


def reference(paths: list[str], config: CodecConfig) -> dict:
    """Sums over all tensors of the configuration's width in these files.

    ``tensors``, ``values``; ``entropy_bits``: order-0 entropy; ``reference_bits``: the best table of at most
    ``config.rows`` rows, probabilities and multiplier of unlimited precision. Tables are not counted.
    """
    sums = {"tensors": 0, "values": 0, "entropy_bits": 0.0, "reference_bits": 0.0}
    for codes in tensors(paths, config.width):
        found = search_table(config, histogram(codes, config.width), table_bits=False)
        figures = (1, len(codes), found.entropy_bits, found.bound_bits)
        sums = {name: total + figure for (name, total), figure in zip(sums.items(), figures, strict=True)}
    return sums


def coded(paths: list[str], config: CodecConfig) -> dict:
    """The same tensors, each with its best table for ``config``: ``stream_bits``, ``table_bits``, as in files.

    ``exact_bits``: what the values take with these tables and unlimited precision, without ends and padding.
    """
    sums = {"stream_bits": 0, "table_bits": 0, "exact_bits": 0.0}
    for path in paths:
        work = []
        for codes in tensors([path], config.width):
            table = search_table(config, histogram(codes, config.width), table_bits=False).table
            sums["table_bits"] += 8 * len(table_bytes(table))
            sums["exact_bits"] += exact_bits(table, codes)
            work.append((table, codes))
        sums["stream_bits"] += 8 * stream_bytes(config, work)
    return sums


def exact_bits(table: SymbolTable, codes: np.ndarray) -> float:
    """Bits of these values by the table's counts, not rounded."""
    rows = np.bincount(table.row_of_value[codes], minlength=len(table.counts))
    used = np.flatnonzero(rows)
    cost = np.array(table.offset_bits)[used] + table.config.prob_bits - np.log2(np.array(table.counts)[used])
    return float(rows[used] @ cost)


def tensors(paths: list[str], width: int) -> Iterator[np.ndarray]:
    """The codes of every tensor of ``width`` bits that is not empty."""
    for path in paths:
        with open_model(path) as model:
            for record in model.records:
                # A dtype of 16 bits may hold values of fewer: only the file can say so, and mostly does.
                array = None if record.bits else model.load(record)
                if (record.bits or codec.default_bits(array.dtype)) == width:
                    codes, _ = codec.to_codes(model.load(record) if array is None else array, width)
                    if len(codes):
                        yield codes


def stream_bytes(config: CodecConfig, work: list[tuple[SymbolTable, np.ndarray]]) -> int:
    """Bytes of the symbol and offset streams of tensors, in blocks of ``config.block`` values, each with its table.

    ``work``: tables of ``config`` and codes, one-dimensional. The same as :func:`golden.lockstep.encode_blocks` gives.
    """
    if not work:
        return 0
    real, counts, lengths, total = RangeEncoder(config, 1).real, [], [], 0
    for table, codes in work:
        rows = table.row_of_value[codes]
        starts = np.arange(0, len(codes), config.block)
        offset_bits = np.add.reduceat(np.array(table.offset_bits)[rows], starts)
        total += int((-(-offset_bits // 8)).sum())
        counts.append(np.array(table.counts, real)[rows])
        lengths.append(np.minimum(config.block, len(codes) - starts))
    return total + int((-(-(_shifts(config, np.concatenate(counts), np.concatenate(lengths)) + 1) // 8)).sum())


def _shifts(config: CodecConfig, counts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Bits that the coder shifts out in each block; the blocks' values have these counts, one block after the other."""
    order = np.argsort(-lengths, kind="stable")
    starts, lengths = (np.cumsum(lengths) - lengths)[order], lengths[order]
    encoder, sums = RangeEncoder(config, len(lengths)), np.zeros(len(lengths), np.int64)
    for first in range(0, int(lengths[0]), STEPS):
        lanes = int(np.searchsorted(-lengths, -first, "left"))  # those that have values here
        steps = np.arange(first, min(first + STEPS, int(lengths[0])))[:, None]
        sizes = counts.take(starts[:lanes] + steps, mode="clip")
        sizes[steps >= lengths[:lanes]] = config.total  # changes nothing
        encoder.steps(sizes)
        shifts = np.empty(sizes.shape, np.uint32)
        encoder.shifts(sizes, shifts)
        sums[:lanes] += shifts.sum(axis=0, dtype=np.int64)
    return sums[np.argsort(order)]
