"""What a job's transfers say of its latencies, beside the formulas."""

from dataclasses import dataclass

import numpy as np

from ..memory_side.cycles import RESULT, Job, Span


@dataclass(frozen=True)
class Step:
    """Cycles from one event of a job to another one, as seen; and ``least`` and ``most`` of them by the formulas of
    :mod:`apack_hdl.memory_side.cycles`, or None where these do not hold."""

    what: str
    cycles: int
    least: int | None = None
    most: int | None = None

    @property
    def holds(self) -> bool:
        """Whether what was seen is what the formulas say, if they do."""
        return self.least is None or self.least <= self.cycles <= self.most


def compress_steps(times: dict[str, np.ndarray], push: int, end: int, job: Job | None, steady: bool
                   ) -> tuple[Step, ...]:
    """Of a job that compresses. ``times`` : cycles of the transfers, by channel. ``push``, ``end`` : cycles of the
    answer to the push, and of the interrupt. ``job`` : None if the formulas are not about it; ``steady``: the memory
    was not the limit."""
    values, addresses, data, answers = (times[name] for name in ("s_axis", "m_axi_aw", "m_axi_w", "m_axi_b"))
    return (
        _step("push to first value in", push, values[0], job and not job.late and job.push_to_value()),
        _step("first value in to first address", values[0], addresses[0], job and job.value_to_write()),
        _step("last value in to last data", values[-1], data[-1], job and steady and job.value_to_data()),
        _step("last data to last response", data[-1], answers[-1], job and job.memory),
        _step("last response to interrupt", answers[-1], end, job and RESULT),
    )


def decompress_steps(times: dict[str, np.ndarray], push: int, end: int, block: int, job: Job | None, steady: bool
                     ) -> tuple[Step, ...]:
    """Of a job that decompresses; ``block`` : cycle of the first address that is not the directory's."""
    addresses, data, values = (times[name] for name in ("m_axi_ar", "m_axi_r", "m_axis"))
    return (
        _step("push to first address", push, addresses[0], job and job.push_to_read()),
        _step("first address to first block's", addresses[0], block, job and job.read_to_block()),
        _step("first block's address to first value out", block, values[0], job and job.block_to_value()),
        _step("first address to first value out", addresses[0], values[0], job and job.read_to_value()),
        _step("last data to last value out", data[-1], values[-1], job and steady and job.data_to_last_value()),
        _step("last value out to interrupt", values[-1], end, job and job.value_to_interrupt()),
    )


def _step(what: str, begin, end, formula) -> Step:
    """``formula`` : cycles, or a span of them; none if it is None or False."""
    if isinstance(formula, Span):
        return Step(what, int(end - begin), *formula)
    known = None if formula in (None, False) else formula
    return Step(what, int(end - begin), known, known)
