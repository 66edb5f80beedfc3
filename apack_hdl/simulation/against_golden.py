"""A tensor through encoder and decoder, against the golden model."""

import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass

import numpy as np

from golden.config import check_int
from golden.lockstep import encode_blocks
from golden.table import SymbolTable

from ..words import check_word
from .bench import build
from .pysim import PysimBench
from .streams import compare_values, compare_words, table_transfers, value_transfers, words
from .verilator import ToolError

SIMULATORS = ("auto", "verilator", "pysim")
PYSIM_VALUES = 5000  # of a tensor, when pysim stands in for Verilator: some seconds


@dataclass(frozen=True)
class SimulationResult:
    """How a simulation went.

    Members
    -------
    simulator : "verilator" (of the emitted Verilog) or "pysim" (of the Amaranth components).
    values, blocks : what was coded and decoded.
    stall, seed : of the random stalls on every port.
    encoder_cycles, decoder_cycles : from the end of loading the table to the last transfer.
    identical : all bytes and values are golden's.
    mismatch : where they first differ, in one line; None if nowhere.
    error_blocks : blocks the encoder flagged ``error``.
    bad_reports : blocks the decoder reported a stream of as too short or too long.
    note : what the user should know besides, None if nothing.
    """

    simulator: str
    values: int
    blocks: int
    stall: float
    seed: int
    encoder_cycles: int
    decoder_cycles: int
    identical: bool
    mismatch: str | None
    error_blocks: int
    bad_reports: int
    note: str | None = None

    @property
    def encoder_cycles_per_value(self) -> float:
        return self.encoder_cycles / self.values

    @property
    def decoder_cycles_per_value(self) -> float:
        return self.decoder_cycles / self.values

    def to_dict(self) -> dict:
        """Plain dictionary for JSON."""
        return asdict(self) | {
            "encoder_cycles_per_value": self.encoder_cycles_per_value,
            "decoder_cycles_per_value": self.decoder_cycles_per_value,
        }


def simulate(
    table: SymbolTable,
    codes: np.ndarray,
    *,
    word: int = 32,
    stall: float = 0.0,
    seed: int = 1,
    simulator: str = "auto",
    block: int | None = None,
    progress=None,
    build_dir=None,
) -> SimulationResult:
    """Send a tensor through the encoder and golden's bytes through the decoder, and compare both with golden.

    Parameters
    ----------
    codes : W-bit unsigned values, uint8 (W <= 8) or uint16, one-dimensional, at least one.
    word : bits of a word of the compressed streams, 16, 32 or 64.
    stall : probability that a port is not willing in a cycle, on every port, 0 <= stall < 1.
    simulator : "verilator" runs the emitted Verilog; "pysim" the components themselves, a few thousand values a
        second; "auto" is Verilator where it and a compiler are there, else pysim on the first values of the tensor.
    block : values per block, 1..``config.block``, which is what it is if not given.
    progress : called with a line of text when a new step begins.
    build_dir : folder to keep built simulators in; if not given they are built anew.

    Raises UncodableError if a value has no code in this table, TypeError and ValueError for arguments that break the
    rules above, ToolError if a tool is missing or fails, StreamError if the design breaks the stream law or gets stuck.
    """
    check_word(word)
    block = _check(table, codes, stall, seed, simulator, block)
    tell = progress or (lambda text: None)
    note = None
    with ExitStack() as stack:
        if simulator != "pysim":
            tell("building the simulators")
            folder = build_dir or stack.enter_context(tempfile.TemporaryDirectory())
            try:
                benches = build(table.config, ("encoder", "decoder"), word=word, folder=folder)
                simulator = "verilator"
            except ToolError as error:
                if simulator == "verilator":
                    raise
                simulator = "pysim"
                note = f"{error}; so Amaranth's simulator took the first {min(PYSIM_VALUES, len(codes))} values"
                codes = codes[:PYSIM_VALUES]
        if simulator == "pysim":
            benches = {direction: PysimBench(table.config, direction, word) for direction in ("encoder", "decoder")}
        tell("coding with the golden model")
        job = _Job(table, codes, block, word)
        tell("simulating")
        with ThreadPoolExecutor(2) as pool:
            runs = [
                pool.submit(benches[direction].run, episode, stall=stall, seed=seed)
                for direction, episode in (("encoder", job.to_encode()), ("decoder", job.to_decode()))
            ]
            (encoded,), (decoded,) = (run.result() for run in runs)
    mismatch = job.compare(encoded.outputs, decoded.outputs)
    return SimulationResult(
        simulator=simulator, values=len(codes), blocks=len(job.counts), stall=stall, seed=seed,
        encoder_cycles=encoded.cycles, decoder_cycles=decoded.cycles, identical=mismatch is None, mismatch=mismatch,
        error_blocks=int(encoded.outputs["symbols"][:, 3].sum()),
        bad_reports=int(decoded.outputs["report"].any(axis=1).sum()), note=note,
    )


def _check(table, codes, stall, seed, simulator, block) -> int:
    if not isinstance(table, SymbolTable):
        raise TypeError(f"table must be a SymbolTable, not {table!r}")
    if not isinstance(codes, np.ndarray):
        raise TypeError(f"codes must be an array, not {type(codes).__name__}")
    if not codes.size:
        raise ValueError("codes must hold at least one value, not none")
    if isinstance(stall, bool) or not isinstance(stall, int | float):
        raise TypeError(f"stall must be a number with 0 <= stall < 1, not {stall!r}")
    if not 0 <= stall < 1:
        raise ValueError(f"stall must be a number with 0 <= stall < 1, not {stall}")
    check_int("seed", seed, 0, 2**32 - 1)
    if simulator not in SIMULATORS:
        raise ValueError(f"simulator must be one of {', '.join(SIMULATORS)}, not {simulator!r}")
    most = table.config.block
    return check_int("block", most if block is None else block, 1, most, "the engines are built for config.block")


class _Job:
    """A tensor in blocks: what goes in on either side, and what should come out."""

    def __init__(self, table: SymbolTable, codes: np.ndarray, block: int, word: int):
        starts = np.arange(0, len(codes), block)
        self.table, self.codes = table, codes
        self.counts = np.minimum(block, len(codes) - starts)
        coded = encode_blocks(table, codes, starts, self.counts)
        ends = np.cumsum(coded.symbol_bytes + coded.offset_bytes)
        middles = ends - coded.offset_bytes
        self.symbols = words(coded.data, middles - coded.symbol_bytes, coded.symbol_bytes, word)
        self.offsets = words(coded.data, middles, coded.offset_bytes, word)
        self.values = value_transfers(codes, self.counts)

    def to_encode(self) -> dict[str, np.ndarray]:
        return {"load": table_transfers(self.table), "values": self.values}

    def to_decode(self) -> dict[str, np.ndarray]:
        orders = (self.counts - 1).reshape(-1, 1)
        streams = {"symbols": self.symbols.rows, "offsets": self.offsets.rows}
        return {"load": table_transfers(self.table), "blocks": orders, **streams}

    def compare(self, encoded: dict, decoded: dict) -> str | None:
        """The first difference, in one line."""
        differences = {
            "encoder": compare_words("symbol", encoded["symbols"], self.symbols)
            or compare_words("offset", encoded["offsets"], self.offsets),
            "decoder": compare_values(decoded["values"], self.values, self.counts) or self._reports(decoded["report"]),
        }
        return "; ".join(f"{engine}: {text}" for engine, text in differences.items() if text) or None

    def _reports(self, reports: np.ndarray) -> str | None:
        if len(reports) != len(self.counts):
            return f"{len(reports)} reports for {len(self.counts)} blocks"
        bad = np.flatnonzero(reports.any(axis=1))
        return f"block {bad[0]}: reported as damaged" if len(bad) else None
