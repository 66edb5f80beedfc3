"""What the memory side's decoders are given, and what they must give."""

import random
from dataclasses import dataclass

from amaranth import Signal
from drivers import Bench, willing
from memory_side_models import chunks
from models import decode_damaged, field, random_block, random_config, random_table

from apack_hdl.memory_side.parameters import MemorySide
from apack_hdl.search import SEARCHES
from apack_hdl.table import load_rows
from golden import reference
from golden.config import CodecConfig
from golden.table import SymbolTable


def small_side(rng, *, streams=1, search="", **fixed) -> MemorySide:
    """A memory side with short blocks, so that corners come often."""
    codec = random_config(rng, rows=rng.randint(3, 6), block=fixed.pop("block", rng.choice([1, 9, 16, 40])),
        width=fixed.pop("width", rng.choice([2, 4, 8, 9, 16])))
    data_width = fixed.pop("data_width", rng.choice([32, 32, 64, 128]))
    decoder = {"streams": streams, "search": search or rng.choice([*SEARCHES])}
    return MemorySide(codec=codec, data_width=data_width, decoder=decoder, **({"engines": 1} | fixed))


@dataclass
class Stored:
    """A block as it is in memory: ``count`` values, ``symbols`` and ``offsets``; or ``raw``, all in ``offsets``."""

    count: int
    symbols: bytes
    offsets: bytes
    raw: int = 0


def to_raw(values, width: int) -> Stored:
    """A raw block (FORMAT.md 5.4)."""
    bits = int("".join(f"{value:0{width}b}" for value in values), 2)
    size = len(values) * width
    return Stored(len(values), b"", (bits << -size % 8).to_bytes((size + 7) // 8, "big"), 1)


class Tensor:
    """A random table for values of ``width`` bits, W or less, or ``rows`` (first values, counts); blocks of values."""

    def __init__(self, rng: random.Random, config: CodecConfig, width: int | None = None, rows=None):
        self.rng, self.width, narrow = rng, width or config.width, config
        if self.width < config.width:
            narrow = CodecConfig(width, config.rows - 1, config.prob_bits, config.mult_bits, config.block)
        self.own = SymbolTable(config, *rows) if rows else random_table(rng, narrow)
        more = ((1 << width,), (0,)) if narrow is not config else ((), ())  # the row behind all others
        self.table = SymbolTable(config, self.own.v_min + more[0], self.own.counts + more[1])

    def block(self, count: int, raw: bool = False) -> Stored:
        """A block of ``count`` values, coded if it is shorter so, unless it is to be ``raw``."""
        if not raw:
            coded = self.coded(random_block(self.rng, self.own, count))
            if len(coded.symbols) + len(coded.offsets) < (count * self.width + 7) // 8:
                return coded
        return to_raw([self.rng.getrandbits(self.width) for _ in range(count)], self.width)

    def coded(self, values: list[int]) -> Stored:
        return Stored(len(values), *reference.encode_block(self.own, values))

    def blocks(self, number: int) -> list[Stored]:
        """Blocks of any length."""
        most = self.table.config.block
        return [self.block(self.rng.choice([1, most, self.rng.randint(1, most)])) for _ in range(number)]

    def damaged(self, number: int) -> list[Stored]:
        """Blocks of which most have streams cut, lengthened, or of any bytes, as far as that would be stored."""
        result = []
        for block in self.blocks(number):
            limit = (block.count * self.width + 7) // 8 - (not block.raw)
            for name in ("symbols", "offsets"):
                data = getattr(block, name)
                room = limit - (len(block.symbols) if name == "offsets" else 0)
                data = self.rng.choice([
                    data, data[: self.rng.randrange(len(data) + 1)], data + self.rng.randbytes(3), b"",
                    self.rng.randbytes(self.rng.randrange(limit + 1)), b"\xff" * len(data),
                ])
                setattr(block, name, b"" if block.raw and name == "symbols" else data[: max(0, room)])
            result.append(block)
        return result


class Job:
    """Blocks of a tensor on their way through a cell or an array."""

    def __init__(self, p: MemorySide, tensor: Tensor, blocks: list[Stored], seed):
        self.p, self.tensor, self.blocks, self.seed = p, tensor, blocks, seed
        rng = random.Random(f"{seed} ids")
        self.ids = [rng.getrandbits(16) for _ in blocks]
        self.chunks = []  # of each block
        for block in blocks:
            same = {"raw": block.raw, "count_m1": block.count - 1}
            self.chunks.append([c | same for s in (block.symbols, block.offsets) for c in chunks(p, s)])

    @property
    def levels(self) -> dict:
        return {"raw_mask": (1 << self.tensor.width) - 1}

    def inputs(self) -> dict:
        return {
            "load": load_rows(self.tensor.table), "reserve": [{"id": number} for number in self.ids],
            "fill": sum(self.chunks, []),
        }

    def beats(self) -> int:
        return sum(-(-block.count // self.p.beat_values) for block in self.blocks)

    def decoded(self, block: Stored) -> tuple[list[int], int]:
        """The values that must come, and whether the streams are bad."""
        width = self.tensor.width
        if block.raw:
            values = [field(block.offsets, k * width, width) for k in range(block.count)]
            return values, int(len(block.offsets) != (block.count * width + 7) // 8)
        values, report = decode_damaged(self.tensor.table, block.symbols, block.offsets, block.count)
        return values, int(any(report.values()))

    def given(self, beats: list[dict]) -> list[tuple]:
        """Blocks that came, in their order: (id, values, bad). Checks the beats."""
        V, result, values = self.p.beat_values, [], []
        for beat in beats:
            assert 1 <= beat["count"] <= V and (beat["last"] or beat["count"] == V), beat
            assert beat["last"] or not beat["bad"], beat
            values += list(beat["values"])[: beat["count"]]
            if beat["last"]:
                result.append((beat["id"], values, beat["bad"]))
                values = []
        assert not values, "a block without an end"
        return result

    def expected(self) -> list[tuple]:
        return [(number, *self.decoded(block)) for number, block in zip(self.ids, self.blocks, strict=True)]

    def gates(self, bench: Bench, busy=1.0) -> dict:
        """``busy`` by port. Nothing is reserved before the table is loaded, no chunk comes before its block's
        reservation."""
        shares = {name: busy.get(name, 1.0) if isinstance(busy, dict) else busy
                  for name in ("load", "reserve", "fill", "values")}
        rngs = {name: random.Random(f"{self.seed} {name}") for name in shares}
        block_of = [k for k, own in enumerate(self.chunks) for _ in own]

        def may_reserve(now):
            loaded = len(bench.result.times["load"]) == self.p.codec.rows
            return loaded and willing(shares["reserve"], rngs["reserve"], now)

        def may_fill(now):
            reserved = len(bench.result.times["reserve"])
            return block_of[bench.made("fill")] < reserved and willing(shares["fill"], rngs["fill"], now)

        return shares | {"reserve": may_reserve, "fill": may_fill}

    def run(self, bench: Bench, busy=1.0, **options):
        bench.levels = self.levels
        outputs = {"values": self.beats()}
        return bench.run(self.inputs(), outputs, seed=self.seed, busy=self.gates(bench, busy), **options)


class ClearBench(Bench):
    """Where a run is interrupted there comes no reset: its last cycle has ``clear``, and in the next one the ports are
    quiet."""

    def __init__(self, dut):
        super().__init__(dut)
        self.reset = Signal()  # of nothing

    async def _cycle(self, ctx, now, probe):
        self.left -= 1
        ctx.set(self.dut.clear, self.left == 0)
        moved = await super()._cycle(ctx, now, probe)
        ctx.set(self.dut.clear, 0)
        return moved

    def run(self, *inputs, interrupted=None, **options):
        self.left = interrupted[2] if interrupted else 0
        return super().run(*inputs, interrupted=interrupted, **options)


BUSY = [1.0, 1.0, 0.7, 0.3, 0.05]


def random_busy(rng) -> dict:
    return {name: rng.choice(BUSY) for name in ("load", "reserve", "fill", "values")}
