"""Stored blocks that wait for their decoder, and the words that it reads of them."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from ...arithmetic import select
from ...layouts import block_layout, word_layout
from ..layouts import fill_layout
from ..parameters import MemorySide
from ..parts.place import place
from ..parts.ram import Ram

WORD = 32  # bits of a decoder's word


class BlockStore(wiring.Component):
    """Two places for stored blocks for each of S streams of a decoder: blocks are filled in, words come out.

    Block j goes to place j modulo 2S and is read by stream j modulo S. A place is a run of rows of one memory. The
    symbol stream fills them from the first on, the offset stream from the last on downwards. A block is ordered
    from the decoder, and read, when all of it is there.

    **Readers.** The S symbol streams and the S offset streams have a reader each. They take turns at the memory's read
    port, one a cycle in a fixed order, and get a word in a turn if there is room for it: 32 bits in 2S cycles, 16 in
    each turn of a stream, which is the most that it can take on (W or P bits). What a reader remembers goes round in
    2S registers. A row is read for each of its words: that costs energy, but a register for rows would have D bits for
    each reader. The words of a stream's next block come behind those of the one before without a gap.

    A block with more chunks than there is room for overwrites its own last row, and is ``damaged``. All outputs are
    registered; ``fill.ready`` is always 1, since places are reserved (:class:`.values.ValueStore`).

    Latency from the last chunk of a block to its order 1 cycle, to its first words 4 cycles and up to 2S - 1 more.

    Parameters
    ----------
    p : of the memory-side block.

    Members
    -------
    fill : stream of chunks, in.
    blocks : array of S streams of orders (:func:`apack_hdl.layouts.block_layout` with ``raw``), out.
    symbols, offsets : arrays of S streams of words, out.
    filled : array of S numbers, Out(2): blocks of the stream that have been filled in, modulo 4.
    counts : array of 2S numbers, out: values, less one, of the block in each place.
    damaged : Out(2S), the block in the place had more chunks than there is room for.
    """

    def __init__(self, p: MemorySide):
        self.p, self.streams, self.rows = p, p.decoder_lanes, p.stored_rows
        S = self.streams
        self.address = bits_for(2 * S * self.rows - 1)
        self.words = p.data_width // WORD  # in a row
        words = stream.Signature(word_layout(WORD))
        # Words held ready for each stream. Two do if its readers' turns, 2S cycles, are long against the 4 cycles that
        # a word takes; the beginning of a block needs more of them at once. With S = 1 another one is still `coming`
        # when the next is asked for.
        self.depth, self.coming = max(2, 5 - S), int(S == 1)
        super().__init__({
            "fill": In(stream.Signature(fill_layout(p))),
            "blocks": Out(stream.Signature(block_layout(p.codec, raw=True))).array(S),
            "symbols": Out(words).array(S),
            "offsets": Out(words).array(S),
            "filled": Out(data.ArrayLayout(2, S)),
            "counts": Out(data.ArrayLayout(p.count_bits, 2 * S)),
            "damaged": Out(2 * S),
        })

    def elaborate(self, platform):
        m = Module()
        self.row = data.StructLayout({
            "data": self.p.data_width,
            "last": 1,  # row of its stream; then:
            "word": bits_for(max(1, self.words - 1)),  # the last word,
            "bytes": 3,  # and the bytes in it
        })
        self.ram = place(m, platform, "stored", Ram(self.row.size, 2 * self.streams * self.rows))
        self.raw = Signal(2 * self.streams, reset_less=True)  # of the block in each place
        self._fill(m)
        self._order(m)
        self._read(m)
        return m

    def _fill(self, m: Module):
        """Chunks to rows, and what is known of a block once it is there."""
        fill, S, last_row = self.fill.p, self.streams, self.rows - 1
        here = Signal(S, init=1)  # the stream of the place
        second = Signal()  # is it its second one
        base = Signal(self.address)
        at = Signal(self.address)
        limit = Signal(self.address, init=last_row - 1)  # one row at least must remain for the offsets
        offsets = Signal()
        spent = Signal()
        over = Signal()
        done = Signal()
        following = Signal(self.address)
        row = Signal(self.row)
        counts = Signal.like(self.counts, name="kept_counts", reset_less=True)
        empty = fill.bytes == 0
        size = Signal(len(fill.bytes))
        m.d.comb += [
            self.fill.ready.eq(1),
            self.counts.eq(counts),
            size.eq(fill.bytes - 1),
            row.data.eq(fill.data),
            row.last.eq(fill.last),
            row.word.eq(Mux(empty, 0, size >> 2)),
            row.bytes.eq(Mux(empty, 0, size[:2] + 1)),
            self.ram.write_enable.eq(self.fill.valid),
            self.ram.write_address.eq(at),
            self.ram.write_data.eq(row),
            done.eq(self.fill.valid & fill.last & offsets),
            following.eq(Mux(here[-1] & second, 0, base + self.rows)),
        ]
        with m.If(self.fill.valid):
            m.d.sync += [spent.eq(~fill.last & (at == limit)), over.eq(~done & (over | spent))]
            with m.If(done):
                m.d.sync += [
                    offsets.eq(0), base.eq(following), at.eq(following), limit.eq(following + (last_row - 1)),
                    here.eq(Cat(here[-1], here[:-1])), second.eq(second ^ here[-1]),
                ]
            with m.Elif(fill.last):
                m.d.sync += [offsets.eq(1), at.eq(base + last_row), limit.eq(at + 1)]
            with m.Elif(at != limit):
                m.d.sync += at.eq(Mux(offsets, at - 1, at + 1))
        for j in range(S):
            with m.If(done & here[j]):
                m.d.sync += self.filled[j].eq(self.filled[j] + 1)
            for k, own in enumerate((~second, second)):
                number = j + k * S
                with m.If(done & here[j] & own):
                    m.d.sync += [
                        counts[number].eq(fill.count_m1),
                        self.raw[number].eq(fill.raw),
                        self.damaged[number].eq(over | spent),
                    ]

    def _start(self, reader: int, second: int) -> int:
        """The row where a reader begins: the first of a place, of offsets the last."""
        stream_, offsets = reader % self.streams, reader // self.streams
        return (stream_ + second * self.streams) * self.rows + offsets * (self.rows - 1)

    def _order(self, m: Module):
        """The oldest block of each stream that has been filled in and not been ordered."""
        for j, port in enumerate(self.blocks):
            ordered = Signal(2, name=f"ordered{j}")  # blocks, modulo 4
            mine = [j, j + self.streams]
            m.d.comb += [
                port.valid.eq(ordered != self.filled[j]),
                port.p.count_m1.eq(Mux(ordered[0], *(self.counts[number] for number in reversed(mine)))),
                port.p.raw.eq(Mux(ordered[0], *(self.raw[number] for number in reversed(mine)))),
            ]
            with m.If(port.valid & port.ready):
                m.d.sync += ordered.eq(ordered + 1)

    def _read(self, m: Module):
        """Readers in turn: ask for a row, take the word out of it, and give it to the stream's queue."""
        S, ram = self.streams, self.ram
        ports = [*self.symbols, *self.offsets]
        pick = Signal(self.words, reset_less=True)  # the word of the row that was asked for
        asked = Signal()
        down = Signal()
        restart = Signal(self.address, reset_less=True)
        word = Signal(word_layout(WORD), reset_less=True)
        arrives = Signal(2 * S)
        slot = Signal(2 * S, init=1)
        slot_before = Cat(slot[1:], slot[0])  # whose turn it was a cycle ago
        full = Signal(2 * S)
        filled = select(m, slot, [*self.filled] * 2, "filled_here")

        state = data.StructLayout({"row": self.address, "word": self.row["word"].width, "block": 2})
        ring = [Signal(state, name=f"reader_{k}", init={"row": self._start(-k % (2 * S), 0)}) for k in range(2 * S)]
        now = ring[0]
        then = Signal(state)
        starts = [[Const(self._start(r, second), self.address) for r in range(2 * S)] for second in (0, 1)]
        first, other = (select(m, slot, entries, f"start_{k}") for k, entries in enumerate(starts))
        m.d.comb += [
            ram.read_enable.eq((now.block != filled) & ~(slot & full).any()),
            ram.read_address.eq(now.row),
        ]
        m.d.sync += [
            slot.eq(Cat(slot[-1], slot[:-1])),
            asked.eq(ram.read_enable),
            pick.eq(Cat(now.word == k for k in range(self.words))),
            restart.eq(Mux(now.block[0], first, other)),
            down.eq(slot[S:].any()),
        ]

        row = Signal(self.row)
        final = Signal()
        fresh = ring[1]
        m.d.comb += [
            row.eq(ram.read_data),
            final.eq(row.last & (fresh.word == row.word)),
            then.eq(fresh),
        ]
        with m.If(asked & final):
            m.d.comb += [then.block.eq(fresh.block + 1), then.word.eq(0), then.row.eq(restart)]
        with m.Elif(asked & pick[-1]):
            m.d.comb += [then.word.eq(0), then.row.eq(Mux(down, fresh.row - 1, fresh.row + 1))]
        with m.Elif(asked):
            m.d.comb += then.word.eq(fresh.word + 1)
        words = [row.data.word_select(k, WORD) for k in range(self.words)]
        m.d.sync += [
            word.data.eq(select(m, pick, words, "word_read")), word.bytes.eq(row.bytes), word.last.eq(final),
            arrives.eq(slot_before & asked.replicate(2 * S)),
        ]
        for k in range(2 * S):
            following = then if k == 1 else ring[k]
            m.d.sync += ring[(k + 1) % (2 * S)].eq(following)
        for r, port in enumerate(ports):
            m.d.comb += full[r].eq(self._queue(m, port, arrives[r], word, f"queue{r}"))

    def _queue(self, m: Module, port, push, word, name: str):
        """A queue in front of ``port``; returns whether another word could be too many."""
        held = Signal(self.depth, name=f"{name}_held")
        entries = [Signal.like(word, name=f"{name}_{k}", reset_less=True) for k in range(self.depth)]
        pop = Signal(name=f"{name}_pop")
        m.d.comb += [port.valid.eq(held[0]), port.payload.eq(entries[0]), pop.eq(held[0] & port.ready)]
        for k, entry in enumerate(entries):
            below = held[k - 1] if k else 1
            above, is_above = (entries[k + 1], held[k + 1]) if k + 1 < self.depth else (word, 0)
            with m.If(pop):
                m.d.sync += [entry.eq(Mux(is_above, above, word)), held[k].eq(is_above | (push & held[k]))]
            with m.Elif(~held[k]):
                m.d.sync += [entry.eq(word), held[k].eq(push & below)]
        return held[self.depth - 1 - self.coming]
