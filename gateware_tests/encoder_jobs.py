"""What the memory side's encoders are given, and what they must give."""

import random

from drivers import willing
from memory_side_models import beats, chunks, stored_rows
from models import coded, random_block, random_config

from apack_hdl.memory_side.parameters import MemorySide
from apack_hdl.table import load_rows


def small_side(rng, *, engines=1, encoder=None, **fixed) -> MemorySide:
    """A memory side with short blocks, so that corners come often."""
    codec = random_config(rng, rows=rng.randint(2, 6), block=fixed.pop("block", rng.choice([1, 9, 16, 40])),
        width=fixed.pop("width", rng.choice([2, 4, 8, 9])))
    width = fixed.pop("data_width", rng.choice([32, 32, 64, 128]))
    return MemorySide(codec=codec, engines=engines, data_width=width, encoder=encoder or {}, **fixed)


def random_blocks(rng, p, table, count) -> list[list[int]]:
    """Blocks of any length; some hold values that may have no code."""
    sizes = [rng.choice([1, p.codec.block, rng.randint(1, p.codec.block)]) for _ in range(count)]
    return [
        random_block(rng, table, n) if rng.random() < 0.7 else [rng.getrandbits(p.codec.width) for _ in range(n)]
        for n in sizes
    ]


class Job:
    """A table and blocks coded with it; which of them are taken raw is drawn, but those that failed always are."""

    def __init__(self, p, table, blocks, seed, raw_share=0.4):
        self.p, self.table, self.blocks, self.rng = p, table, blocks, random.Random(f"{seed} job")
        self.heads, self.raw, self.streams = [], [], []
        for block in blocks:
            symbols, offsets, error = coded(table, block)
            failed = int(error or stored_rows(p, symbols, offsets) > p.stored_rows)
            sizes = {"symbol_bytes": len(symbols), "offset_bytes": len(offsets)}
            self.heads.append({"count_m1": len(block) - 1, "failed": failed} | ({} if failed else sizes))
            self.raw.append(int(failed or self.rng.random() < raw_share))
            self.streams.append((symbols, offsets))

    def inputs(self) -> dict:
        return {
            "load": load_rows(self.table),
            "fill": [beat for block in self.blocks for beat in beats(self.p, block)],
            "take": [{"raw": raw} for raw in self.raw],
        }

    def data(self) -> tuple[list[dict], list[dict]]:
        """Chunks of the coded blocks, and beats of the raw ones, as they must come."""
        coded, raw = [], []
        for is_raw, block, streams in zip(self.raw, self.blocks, self.streams, strict=True):
            if is_raw:
                raw += beats(self.p, block)
            else:
                coded += [chunk for stream in streams for chunk in chunks(self.p, stream)]
        return coded, raw

    def gates(self, bench, busy) -> dict:
        """``busy`` by port, but no ``take`` before its head."""
        shares = {name: busy.get(name, 1.0) if isinstance(busy, dict) else busy for name in bench.streams}
        share = shares["take"]

        def may_take(now):
            return bench.made("take") < len(bench.result.times["head"]) and willing(share, self.rng, now)

        return shares | {"take": may_take}

    def check_heads(self, heads):
        assert len(heads) == len(self.heads)
        for number, (head, want) in enumerate(zip(heads, self.heads, strict=True)):
            assert head | want == head, (number, head, want)

    def cell_ports(self):
        """Inputs and counts of outputs of a cell."""
        coded, raw = self.data()
        return self.inputs(), {"head": len(self.blocks), "data": len(coded) + len(raw)}

    def check_cell(self, run):
        self.check_heads(run.out["head"])
        want = []
        for is_raw, block, streams in zip(self.raw, self.blocks, self.streams, strict=True):
            if is_raw:
                own = [self._raw_item(beat) for beat in beats(self.p, block)]
            else:
                own = [self._coded_item(chunk) for stream in streams for chunk in chunks(self.p, stream)]
            want += [item | {"raw": is_raw, "end": int(k == len(own) - 1)} for k, item in enumerate(own)]
        for number, (item, expected) in enumerate(zip(run.out["data"], want, strict=True)):
            seen = dict(item)
            if seen["raw"]:  # what is behind the values' bits, or the last value, means nothing
                seen["data"] &= (1 << self.p.value_bits * seen["count"]) - 1
            assert seen == expected, (number, seen, expected)

    def _raw_item(self, beat):
        packed = sum(v << self.p.value_bits * k for k, v in enumerate(beat["values"]))
        return {"data": packed, "count": beat["count"], "last": beat["last"]}

    def _coded_item(self, chunk):
        return {"data": chunk["data"], "count": chunk["bytes"], "last": chunk["last"]}

    def ends(self, run) -> list[int]:
        """The cycles in which the blocks' last chunks or beats were taken, in order of the blocks."""
        times = {"coded": iter(run.times["coded"]), "raw": iter(run.times["raw"])}
        result = []
        for is_raw, block, streams in zip(self.raw, self.blocks, self.streams, strict=True):
            count = len(beats(self.p, block)) if is_raw else sum(len(chunks(self.p, stream)) for stream in streams)
            result.append([next(times["raw" if is_raw else "coded"]) for _ in range(count)][-1])
        return result

    def array_ports(self):
        """Inputs and counts of outputs of an array."""
        coded, raw = self.data()
        return self.inputs(), {"head": len(self.blocks), "coded": len(coded), "raw": len(raw)}

    def check_array(self, run):
        self.check_heads(run.out["head"])
        coded, raw = self.data()
        assert run.out["coded"] == coded
        seen = [beat | {"values": list(beat["values"])} for beat in run.out["raw"]]
        assert seen == raw
