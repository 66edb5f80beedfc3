"""Values through encoder and decoder, against the golden model."""

import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import numpy as np

from golden.config import check_int
from golden.table import SymbolTable

from ..emit import TOPS, engine_options, make_engine
from .building import build
from .pysim import PysimBench
from .result import EngineResult, SimulationResult, engine_result
from .verilator import ToolError
from .work import Plan, Work

SIMULATORS = ("auto", "verilator", "pysim")
PYSIM_VALUES = 5000  # in all, when pysim stands in for Verilator: some seconds


def simulate(
    table: SymbolTable,
    codes: np.ndarray,
    *,
    word: int = 32,
    encoder: dict | None = None,
    decoder: dict | None = None,
    block: int | None = None,
    **how,
) -> SimulationResult:
    """Send a tensor through the encoder and golden's bytes through the decoder, and compare both with golden.

    Its blocks are dealt out to the streams of an engine in turn.

    Parameters
    ----------
    codes : W-bit unsigned values, uint8 (W <= 8) or uint16, one-dimensional, at least one.
    word : bits of a word of the compressed streams, 16, 32 or 64.
    encoder, decoder : further options of the engines, such as ``{"streams": 6}``.
    block : values per block, 1..``config.block``; if not given as many as give all streams the same number of blocks.
    how : ``stall``, ``seed``, ``simulator``, ``netlists``, ``progress``, ``build_dir``, see :func:`simulate_queues`,
        which also says what is raised.
    """
    queues = deal(table, codes, streams=most_streams(encoder, decoder), block=block)
    return simulate_queues([table], queues, word=word, encoder=encoder, decoder=decoder, **how)


def most_streams(encoder: dict | None, decoder: dict | None) -> int:
    """The streams of the engine that has more of them."""
    return max((options or {}).get("streams", 1) for options in (encoder, decoder))


def deal(table: SymbolTable, codes: np.ndarray, *, streams: int, block: int | None = None, number: int = 0) -> list:
    """The blocks of a tensor as queues of one each, see :class:`Work`; ``number`` of its table. As few as can be, but
    a multiple of ``streams``, if there are values enough, unless ``block`` says otherwise."""
    if not isinstance(table, SymbolTable):
        raise TypeError(f"table must be a SymbolTable, not {table!r}")
    if not isinstance(codes, np.ndarray):
        raise TypeError(f"codes must be an array, not {type(codes).__name__}")
    if not codes.size:
        raise ValueError("codes must hold at least one value, not none")
    most = table.config.block
    check_int("block", most if block is None else block, 1, most, "the engines are built for config.block")
    rounds = -(-len(codes) // (most * streams))
    size = -(-len(codes) // (rounds * streams)) if block is None else block
    return [[(number, codes[start : start + size])] for start in range(0, len(codes), size)]


def simulate_queues(
    tables,
    queues,
    *,
    word: int = 32,
    encoder: dict | None = None,
    decoder: dict | None = None,
    stall: float = 0.0,
    seed: int = 1,
    simulator: str = "auto",
    netlists=None,
    progress=None,
    build_dir=None,
) -> SimulationResult:
    """Send queues of blocks through the streams of both engines, all in flight together, and compare with golden.

    Parameters
    ----------
    tables, queues : see :class:`Work`; queue i goes to stream ``i % streams``, see :class:`Plan`.
    word, encoder, decoder : how the engines are built, see :func:`simulate`.
    stall : probability that a port is not willing in a cycle, on every port, 0 <= stall < 1.
    simulator : "verilator" runs the emitted Verilog; "pysim" the components themselves, a few thousand values a
        second; "auto" is Verilator where it and a compiler are there, else pysim on the first values of every queue.
    netlists : Verilog files to run in place of what is emitted, by "encoder" or "decoder", see :func:`build`.
    progress : called with a line of text when a new step begins.
    build_dir : folder to keep built simulators in; if not given they are built anew.

    Raises UncodableError if a value has no code in its table, TypeError and ValueError for arguments that break the
    rules above, ToolError if a tool is missing or fails, StreamError if the design breaks the stream law or gets stuck.
    """
    _check(stall, seed, simulator, netlists)
    tell = progress or (lambda text: None)
    tell("coding with the golden model")
    work, note = Work(tables, queues), None
    given = {"encoder": encoder or {}, "decoder": decoder or {}}
    engines = {name: engine_options(name, {"word": word} | given[name]) for name in TOPS}
    for name, options in engines.items():
        make_engine(work.config, name, options)
    with ExitStack() as stack:
        if simulator != "pysim":
            tell("building the simulators")
            folder = build_dir or stack.enter_context(tempfile.TemporaryDirectory())
            try:
                benches = build(work.config, engines, folder=folder, netlists=netlists)
                simulator = "verilator"
            except ToolError as error:
                if simulator == "verilator" or netlists:
                    raise
                simulator, work = "pysim", Work(tables, _first(queues))
                note = f"{error}; so Amaranth's simulator took the first {len(work.codes)} values"
        if simulator == "pysim":
            benches = {name: PysimBench(work.config, name, options) for name, options in engines.items()}
        tell("simulating")
        with ThreadPoolExecutor(2) as pool:
            runs = {name: pool.submit(run_engine, work, name, options, benches[name], stall=stall, seed=seed)
                    for name, options in engines.items()}
            results = {name: run.result() for name, run in runs.items()}
    return SimulationResult(
        simulator=simulator, values=len(work.codes), blocks=len(work.counts), tables=len(work.tables), stall=stall,
        seed=seed, **results, note=note,
    )


def run_engine(work: Work, name: str, options: dict, bench, **how) -> EngineResult:
    """Play all of ``work`` on the bench of one engine; ``how``: further arguments of :meth:`Bench.run`."""
    plan = Plan(work, name, options)
    (episode,) = bench.run(plan.inputs(), waits=[plan.waits()], **how)
    return engine_result(plan, options, episode)


def _first(queues) -> list:
    """The first values of each queue, few enough for pysim."""
    most, cut = max(1, PYSIM_VALUES // max(1, sum(map(bool, queues)))), []
    for queue in queues:
        left, blocks = most, []
        for number, codes in queue:
            blocks += [(number, codes[:left])] if left else []
            left -= len(codes[:left])
        cut.append(blocks)
    return cut


def _check(stall, seed, simulator, netlists):
    if isinstance(stall, bool) or not isinstance(stall, int | float):
        raise TypeError(f"stall must be a number with 0 <= stall < 1, not {stall!r}")
    if not 0 <= stall < 1:
        raise ValueError(f"stall must be a number with 0 <= stall < 1, not {stall}")
    check_int("seed", seed, 0, 2**32 - 1)
    if simulator not in SIMULATORS:
        raise ValueError(f"simulator must be one of {', '.join(SIMULATORS)}, not {simulator!r}")
    if netlists and simulator == "pysim":
        raise ValueError("simulator must be verilator for netlists, not pysim")
