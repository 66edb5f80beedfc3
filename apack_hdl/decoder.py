"""The decoder: two streams in, values out; of S pairs of streams in turn."""

from itertools import zip_longest

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import bits_for

from golden.config import CodecConfig, check_int

from .arithmetic import select
from .decoder_turn import CLOSE, IDLE, LAST, START, take_turn
from .layouts import block_layout, check_banks, report_layout, row_load_layout, value_layout, word_layout
from .lookup import offset_bits
from .reader import DigitPort, ReaderShape, ReaderStep, next_bits
from .registers import payload_register
from .ring import Ring, Unit
from .search import SEARCHES
from .table import RowTable
from .words import check_word

MOST_STREAMS = 8  # by then the longest stage is a single multiplier: more would only add state


class Decoder(wiring.Component):
    """Decodes blocks from their symbol and offset streams, one value per cycle in all.

    Each order in ``blocks`` gives exactly the number of values it asks for, whatever the streams hold: past the
    end of a stream there are zeros, and what is left over is read and dropped up to ``last``. How it went is
    told in one ``report`` per block, which must be taken before the next block ends.

    **Turns.** Each of the S streams (numbered by port) has a turn every S cycles, in which it gives one value, if all
    it needs is there and its port has room. No stream waits for another. A block takes 2 turns more than it has
    values, when its words are waiting and values and report are taken at once. From a block's order and first words,
    offered together, to its first value it is at most 4 S - 1 cycles, or 3 with one stream.

    The symbol and offset words of a stream must be offered independently of each other: no value leaves before two
    digits of both, or the end of a shorter one, have been offered, and one is read no further ahead of the other than
    registers reach. A source that delivers one stream's block whole before it starts on the other's needs a buffer.

    **Raw blocks**, with ``raw``: the values of a block whose order has ``raw`` are the codes in its offset stream
    (FORMAT.md 5.4), as many bits each as ``raw_mask`` has ones. Its symbol stream is one empty word, of which nothing
    is reported. All else, its time too, is as with other blocks.

    ``values`` and ``report`` come from registers. ``blocks.ready`` depends combinationally on what ``load`` and
    ``blocks`` offer and on ``report.ready``; ``symbols.ready`` and ``offsets.ready`` depend on what their own port
    offers, and with ``streams`` = 1, where a turn is a cycle, on everything else but the other port's payload.

    Parameters
    ----------
    config : the codec's parameters. ``config.block`` bounds the block length.
    raw : whether blocks may be raw.
    word : bits of an input word, 16, 32 or 64.
    streams : S, 1..8. With more than one, all ports but ``load`` are arrays.
    search : how the row is found, a key of :data:`apack_hdl.search.SEARCHES`; the values are the same.
    banks : 1, or 2 tables, of which each block's order chooses one.

    Members
    -------
    load : stream of N rows (:func:`apack_hdl.table.load_rows`), in. Waits until no block under way uses the table (the
        ``bank``); no block begins with a table while it is offered or loaded, or before it has been.
    blocks : stream of orders, in: values in the block, less one (and whether it is ``raw``, and its ``bank``).
    symbols, offsets : streams of words, in, with ``last`` at the end of every block.
    values : stream of values, out.
    report : stream of reports, out, one per block.
    raw_mask : In(W), with ``raw``: ``2**w - 1`` if values have w bits, 2..W. Must not change while there are blocks.

    Raises TypeError for an argument of the wrong kind, ValueError for one out of range.
    """

    # Turns that a block takes besides one per value, its streams waiting and values and report taken at once.
    BLOCK_CYCLES = 2

    # `raw` is not among the options by keyword, which are those that engines are emitted with.
    def __init__(
        self, config: CodecConfig, raw: bool = False, *, word: int = 32, streams: int = 1, search: str = "flash",
        banks: int = 1,
    ):
        self.config, self.word, self.banks, self.raw = config, check_word(word), check_banks(banks), check_raw(raw)
        self.streams = check_int("streams", streams, 1, MOST_STREAMS)
        self.search = check_search(search)
        words = stream.Signature(word_layout(word))
        ports = {
            "blocks": In(stream.Signature(block_layout(config, banks=banks, raw=raw))),
            "symbols": In(words),
            "offsets": In(words),
            "values": Out(stream.Signature(value_layout(config))),
            "report": Out(stream.Signature(report_layout())),
        }
        if self.streams > 1:
            ports = {name: port.array(self.streams) for name, port in ports.items()}
        mask = {"raw_mask": In(config.width)} if raw else {}
        super().__init__({"load": In(stream.Signature(row_load_layout(config, banks=banks)))} | ports | mask)

    def each(self, name: str) -> list:
        """The ports ``name``, one per stream."""
        port = getattr(self, name)
        return [port] if self.streams == 1 else list(port)

    def elaborate(self, platform):
        m = Module()
        cfg, S = self.config, self.streams
        m.submodules.table = self.table = RowTable(cfg, banks=self.banks)
        connect(m, flipped(self.load), self.table.load)
        # The code has one bit more than were shifted out, and the decoder has read R bits ahead of those; a stream
        # of the right length, padded to a byte, thus ends R-1 .. R-8 bits before the position. An offset stream ends
        # at the position, or up to 7 padding bits behind it.
        R = cfg.range_bits
        self.shapes = {
            "symbols": ReaderShape(self.word, cfg.prob_bits, R, (R - 8, R - 1)),
            "offsets": ReaderShape(self.word, cfg.width, 0, (-7, 0)),
        }
        self.inputs = {}
        for name, shape in self.shapes.items():
            m.submodules[f"{name}_port"] = self.inputs[name] = DigitPort(shape, S)
            for outer, inner in zip(self.each(name), self.inputs[name].words, strict=True):
                connect(m, flipped(outer), inner)

        state = {"op": 3, "t_low": cfg.mult_bits - 1, "dif": R, "left": bits_for(cfg.block - 1)}
        state |= {name: shape.state for name, shape in self.shapes.items()}
        if self.banks == 2:
            state["bank"] = 1
        if self.raw:
            state["raw"] = 1
        # What says that a value is given. Its other part, ``go``, is for the search: without it nothing moves and no
        # row is chosen, which is just what a raw value needs.
        self.gives = "gives" if self.raw else "go"
        # `t` has a reset for simulators with unknown values only: where nothing is decoded no row is chosen and no bit
        # is taken, whatever `t` is, but a product with an unknown operand is unknown to them.
        self.ring = ring = Ring(m, S, state, reset={"op", "go", "t_low", self.gives})
        take_turn(m, ring, self)
        search = SEARCHES[self.search](cfg, m, ring, self._rows)
        narrowing = [
            *search.narrow(),
            Unit(350, lambda: self._look_at_symbols(m, ring)),
            Unit(400, lambda: self._refill(m, ring)),
        ]
        beside = [
            Unit(550, lambda: self._fields(m, ring)),
            Unit(500, lambda: self._look_at_offsets(m, ring)),
            Unit(600, lambda: self._read_offsets(m, ring)),
            Unit(600, lambda: self._give_value(m, ring)),
        ]
        ring.run([*search.find(), *(both(*units) for units in zip_longest(narrowing, beside))])
        return m

    def _rows(self):
        """The table that the stream at this stage works with."""
        if self.banks == 1:
            return self.table.rows
        rows = Signal(self.table.rows.shape().elem_shape, name=f"rows_{self.ring.stage}")
        self.ring.m.d.comb += rows.eq(Mux(self.ring["bank"], self.table.rows[1], self.table.rows[0]))
        return rows

    def _fields(self, m: Module, ring: Ring):
        """The row's first value, and how many more there are in it."""
        rows, chosen = list(self._rows()), ring["chosen"]
        above = [row.v_min for row in rows[1:]]  # the last row ends at 2**W, which is 0 here
        ring["v_min"] = select(m, chosen, [row.v_min for row in rows], "found_v_min")
        more = (select(m, chosen[:-1], above, "found_above") - ring["v_min"] - ring[self.gives])[: self.config.width]
        if self.raw:  # no row is chosen: all ones, of which `raw_mask` leaves the tensor's width
            more &= self.raw_mask | (~ring["raw"]).replicate(self.config.width)
        ring["more"] = more

    def _look(self, m: Module, ring: Ring, name: str):
        """What a stream's port offers."""
        port = self.inputs[name]
        m.d.comb += [port.here.eq(ring.here), port.state.eq(ring[name])]
        ring[f"{name}_seen"] = port.seen

    def _move(self, m: Module, ring: Ring, name: str, take: Value):
        """Let so many bits of a stream go."""
        m.submodules[f"{name}_step"] = step = ReaderStep(self.shapes[name])
        m.d.comb += [
            step.state.eq(ring[name]),
            step.seen.eq(ring[f"{name}_seen"]),
            step.active.eq(ring["op"] != IDLE),
            step.close.eq(ring["op"] == CLOSE),
            step.take.eq(take),
            self.inputs[name].release.eq(ring.here & step.release.replicate(self.streams)),
        ]
        ring[name] = step.after

    def _look_at_offsets(self, m: Module, ring: Ring):
        """How many bits the offset has, none without ``go``; and what the port offers."""
        ring["ol"] = offset_bits(m, ring["more"])
        self._look(m, ring, "offsets")

    def _read_offsets(self, m: Module, ring: Ring):
        bits = next_bits(m, ring["offsets"], ring["offsets_seen"], "next_offset_bits")
        ring["offset_bits"] = bits[-self.config.width :]
        self._move(m, ring, "offsets", ring["ol"])

    def _give_value(self, m: Module, ring: Ring):
        offset = ring["offset_bits"] >> (self.config.width - ring["ol"])[: len(ring["ol"])]
        value = Signal(self.config.width)
        m.d.comb += value.eq(ring["v_min"] + offset)
        for turn, port in zip(ring.here, self.each("values"), strict=True):
            payload = payload_register(m, port)
            with m.If(port.ready):
                m.d.sync += port.valid.eq(0)
            with m.If(turn & ring[self.gives]):
                m.d.sync += [port.valid.eq(1), payload.data.eq(value), payload.last.eq(ring["op"] == LAST)]

    def _look_at_symbols(self, m: Module, ring: Ring):
        """The bits that may come next, before it is known how many of them do."""
        self._look(m, ring, "symbols")
        bits = next_bits(m, ring["symbols"], ring["symbols_seen"], "next_symbol_bits")
        ring["refill"] = bits[-self.config.prob_bits :]

    def _refill(self, m: Module, ring: Ring):
        """The next ``t`` and ``dif``: normalize, and fill up with as many bits as have left."""
        cfg, R, P = self.config, self.config.range_bits, self.config.prob_bits
        product, zeros = ring["product"], ring["zeros"]
        high = product[R]  # one bit less to normalize by than the zeros
        take, start = Signal(range(R + 1), name="symbol_bits"), Signal(name="starting")
        moved = Signal(R + 1, name="moved")
        m.d.comb += [
            start.eq(ring["op"] == START),
            take.eq(Mux(start, R, zeros - high)),
            moved.eq((Cat(ring["refill"], ring["rest"]) << zeros)[P:]),
        ]
        t = Mux(high, product[P + 1 :], product[P:R])
        dif = Mux(high, moved[1:], moved[:R])
        ring["t_low"] = Mux(start, -1, t)[: cfg.mult_bits - 1]
        first = Cat(ring["symbols_seen"].digit, ring["symbols"].digit)
        ring["dif"] = Mux(start, first[-R:], dif)
        self._move(m, ring, "symbols", take)


def both(first: Unit | None, second: Unit | None) -> Unit:
    """Two units beside each other; the second may need what the first leaves, at the end of its own work."""
    units = [unit for unit in (first, second) if unit]

    def work():
        for unit in units:
            unit.work()

    return Unit(max(unit.delay for unit in units), work)


def check_raw(raw: bool) -> bool:
    """Return ``raw`` if it is a truth value. Raises TypeError if not."""
    if not isinstance(raw, bool):
        raise TypeError(f"raw must be True or False, not {raw!r}")
    return raw


def check_search(search: str) -> str:
    """Return ``search`` if there is such a search. Raises TypeError for another kind, ValueError for another name."""
    problem = f"search must be one of {', '.join(SEARCHES)}, not {search!r}"
    if not isinstance(search, str):
        raise TypeError(problem)
    if search not in SEARCHES:
        raise ValueError(problem)
    return search
