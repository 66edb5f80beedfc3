"""Cycles of a whole job, as formulas: from its push to its interrupt, in the order in which things happen.

Symbols, here and in the README: E engines; S streams of a decoder; L levels of the trees between the arrays' ports and
their cells; V values per beat of the accelerator's streams; D bits of the memory's bus; N rows of a table; K blocks of
the job, n values and c chunks of a block; M cycles from an address that the memory takes to its first beat of data, and
from the last beat of a burst to its response, 1 or more.

They hold for blocks in order, encoders of one stream, nothing else under way when the job begins, an accelerator and a
memory that take and give a beat whenever they can, and a directory in other beats than the blocks. At a job's end the
memory must not have been the limit (:func:`keeps_up`). What the block cannot know, or what depends on whose turn it is,
makes a :class:`Span`.
"""

from dataclasses import dataclass
from typing import NamedTuple

from amaranth.utils import ceil_log2

from golden.config import check_int

from .axi.bursts import burst_beats
from .blocks.directory import ENTRY_BYTES, LINE_ENTRIES
from .encoders.array import EncoderArray
from .parameters import MemorySide
from .parts.dealing import RADIX

BEGIN = 12  # from the answer to the write to JOB_PUSH to the job's beginning
RESULT = 6  # from its last transfer to the interrupt
STREAM_IN, STREAM_OUT = 3, 2  # from s_axis to the encoders' port; from the decoders' port to m_axis
READ, WRITE = 4, 3  # from a range to its address on the bus
CHOICE = 3  # from a block's head to the choice of its form
PACK = 3  # from a beat of values to the chunk of a raw block that it fills
HELD = STREAM_IN  # beats of values that are taken before the first one is let into the encoders
WORD_BYTES = 4


class Span(NamedTuple):
    """Cycles: at least, and at most."""

    least: int
    most: int

    def plus(self, least: int, most: int | None = None) -> "Span":
        """With so many more; ``most``: if they are a span, too."""
        return Span(self.least + least, self.most + (least if most is None else most))


@dataclass(frozen=True)
class Stored:
    """A stored block: its ``values``; bytes of its streams as the directory has them (symbols of 0 bytes: it is raw);
    the ``address`` of its first byte."""

    values: int
    symbol_bytes: int
    offset_bytes: int
    address: int = 0

    def __post_init__(self):
        for name, least in (("values", 1), ("symbol_bytes", 0), ("offset_bytes", 0), ("address", 0)):
            check_int(name, getattr(self, name), least, (1 << 64) - 1)

    @property
    def raw(self) -> bool:
        """Whether its codes are stored as they are."""
        return self.symbol_bytes == 0

    def chunks(self, p: MemorySide) -> int:
        """c: each stream has chunks of its own, one if it is empty; a raw block's symbols do not count."""
        return -(-self.symbol_bytes // p.data_bytes) + max(1, -(-self.offset_bytes // p.data_bytes))

    def beats(self, p: MemorySide) -> int:
        """Beats of its values on the accelerator's streams."""
        return -(-self.values // p.beat_values)

    def drains(self, p: MemorySide) -> int:
        """Cycles that it takes to leave its encoder: its chunks, or, raw, its beats."""
        return self.beats(p) if self.raw else self.chunks(p)


@dataclass(frozen=True)
class Job:
    """A job of the block ``p``, alone.

    Members
    -------
    blocks : K, all as long as the first but the last. first, last, before : the first one, the last one, the last but
        one (the same, if there is one only).
    directory : its address. slots : whether the layout has slots. memory : M.
    late : its values come only after the encoders have their table.

    Methods give cycles, as number where they are exact. Raises TypeError or ValueError for a member of the wrong kind
    or out of range, ValueError for a block that the formulas are not about.
    """

    p: MemorySide
    blocks: int
    first: Stored
    last: Stored
    before: Stored
    directory: int
    memory: int
    slots: bool = False
    late: bool = False

    def __post_init__(self):
        for name, least in (("blocks", 1), ("directory", 0), ("memory", 1)):
            check_int(name, getattr(self, name), least, (1 << 64) - 1)
        if self.p.order != "in order" or self.p.encoder_lanes != 1:
            raise ValueError(f"cycles must be of blocks in order and encoders of 1 stream, not {self.p.order} and "
                             f"{self.p.encoder_lanes}")

    # Decompression.

    def push_to_read(self) -> int:
        """From the answer to the push to the first address on the bus, the directory's: 18 + min(K, 8), as the entries
        of a line are counted one by one."""
        return BEGIN + 2 + READ + min(self.blocks, LINE_ENTRIES)

    def read_to_block(self) -> int:
        """From there to the first block's first address: M + 14 and the beats of a line of the directory; or until
        2 N + 25 cycles after the push, when the decoders have their table. One more for a raw block."""
        line = _beats(self.p, self.directory, min(self.blocks, LINE_ENTRIES))
        loaded = BEGIN + table_cycles(self.p) + 5 + READ - self.push_to_read()
        return max(self.memory + line + 14, loaded) + self.first.raw

    def block_to_value(self) -> Span:
        """From the first block's first address to the first beat of values out: M, :func:`to_last_chunk`,
        :func:`decoded` of V values; M again where it takes more bursts than may be under way."""
        p, values = self.p, min(self.first.values, self.p.beat_values)
        again = (bursts(p, self.first) - 1) // p.outstanding * (self.memory + READ)
        return decoded(p, self.first, values).plus(self.memory + to_last_chunk(p, self.first)).plus(0, again)

    def read_to_value(self) -> Span:
        """From the first address on the bus to the first beat of values out."""
        return self.block_to_value().plus(self.read_to_block())

    def data_to_last_value(self) -> Span:
        """From the last beat on the bus to the last beat of values out.

        A single block: :func:`decoded` of n values, and the way to its last chunk. From 4 S E blocks on, all of one
        length, the last one has waited for a place and finds another one before it: 2 (n + 2) S - M - c, S + 4 more or
        less. Between that, from what it takes alone to all streams' having two blocks that are ready at once.
        """
        p, n, S = self.p, self.first.values, self.p.decoder_lanes
        streams, turn = p.engines * S, (n + 2) * S
        if self.blocks >= 4 * streams and self.last.values == n:
            usual = 2 * turn - self.memory - self.last.chunks(p)
            return Span(usual - S - 4, usual + S + 4)
        alone, before = (decoded(p, block, block.values) for block in (self.last, self.before))
        at_once = (min(self.blocks, streams) - 1) * (self.first.beats(p) - 1) + turn * (self.blocks > streams)
        return Span(alone.least + 1, max(alone.most, before.most) + READ + 3 + at_once)

    def value_to_interrupt(self) -> Span:
        """From the last beat of values out to the interrupt: 6, or later if a checksum takes longer than the values."""
        late = checksum(self.p, self.last) + RESULT - decoded(self.p, self.last, self.last.values).least
        return Span(RESULT, max(RESULT, late + RESULT))

    # Compression.

    def push_to_value(self) -> int:
        """From the answer to the push to the first beat of values in, if it is on offer: 13."""
        return BEGIN + 1

    def value_to_write(self) -> Span:
        """From the first beat of values in to the first address on the bus, if beats follow each other: n + 2 L + 21;
        n + 2 L + 2 N + 21 if the first one waits for the table; later by :func:`collisions` at most. A packed block
        that fills no beat of the bus waits for those behind it."""
        p, size = self.p, self.first.symbol_bytes + self.first.offset_bytes
        wait = STREAM_IN if self.late else table_cycles(p) - 1
        room = p.data_bytes - self.first.address % p.data_bytes
        others = 0 if self.slots else min(self.blocks - 1, (room - 1) // size)
        cycles = wait + head_cycles(p, self.first) + CHOICE + WRITE
        again = others * (head_cycles(p, self.first) + CHOICE + self.first.drains(p))
        return Span(cycles, cycles + again + (others + 1) * collisions(p, self.first))

    def value_to_data(self) -> Span:
        """From the last beat of values in to the last beat of data on the bus, of the directory.

        What its block takes by itself: :func:`head_cycles` + 9 less its beats but one, and :func:`write_cycles`. What
        its encoder lags behind: n + 1 - n E / V for every round of E blocks before it, until both places are full, with
        n - c - 14 - 2 L. A last block that is shorter may have to wait for the one before it.
        """
        p, n, beats = self.p, self.first.values, self.last.beats(self.p)
        begins = STREAM_IN - (beats - 1) + CHOICE + WRITE  # ... as it would without lag, and if it were not coded
        rounds, lag = (self.blocks - 1) // p.engines, max(0, n + 1 - n * p.engines // p.beat_values)
        full = max(0, n - self.before.drains(p) - 14 - 2 * levels(p))
        lags = Span(lag, lag) if rounds == 1 else Span(min(rounds * lag, max(0, full - 4)), min(rounds * lag, full + 4))
        if self.blocks > LINE_ENTRIES:  # a line of the directory may have come in between
            lags = lags.plus(0, _beats(p, 0, LINE_ENTRIES))
        lags = lags.plus(0, (rounds + 1) * collisions(p, self.first))
        alone = begins + head_cycles(p, self.last) + write_cycles(p, self.last, self._last_line())
        span = lags.plus(alone)
        if self.blocks == 1 and beats <= HELD and not self.late:  # all in before the table is
            return span.plus(0, table_cycles(p))
        if self.last.values < n:
            behind = begins + head_cycles(p, self.before) - self.first.beats(p) + self._behind_the_last_but_one()
            return Span(max(span.least, behind + lags.least - lag), max(span.most, behind + lags.most))
        return span

    def _behind_the_last_but_one(self) -> int:
        """As :func:`write_cycles`, but from the first address of the last block but one; chunks follow each other, and
        so do checksums, which take log2(D / 8) + 2."""
        p, last, before = self.p, self.last, self.before
        end = write_cycles(p, before, 0) - checksum(p, before)  # of its chunks, and from a checksum to the end
        after = last.drains(p) + PACK * (last.raw and not before.raw)
        apart = max(after + checksum(p, last), checksum(p, before) + ceil_log2(p.data_bytes) + 2)
        return end + apart + self._last_line()

    def _last_line(self) -> int:
        """Beats of the directory that are written last: its last line of 64 bytes, or what it has of it."""
        end = self.directory // ENTRY_BYTES + self.blocks
        count = min(self.blocks, (end - 1) % LINE_ENTRIES + 1)
        return _beats(self.p, (end - count) * ENTRY_BYTES, count)


def levels(p: MemorySide) -> int:
    """L: none for one engine, one up to 8, two up to 64."""
    return sum(p.engines > RADIX**level for level in range(2))


def table_cycles(p: MemorySide) -> int:
    """From a job's beginning until its engines take values, or its first block is asked for: 2 N + 4."""
    return 2 * p.codec.rows + 4


def to_last_chunk(p: MemorySide, block: Stored) -> int:
    """From the first beat of a block on the bus to its last chunk, nothing else being read: c + 3, and one more where
    its offsets begin with a beat of their own."""
    apart = not block.raw and block.offset_bytes > 0 and (block.address + block.symbol_bytes) % p.data_bytes == 0
    return block.chunks(p) + 3 + apart


def decoded(p: MemorySide, block: Stored, values: int) -> Span:
    """From a block's last chunk until so many of its ``values`` have left on ``m_axis``, its stream being idle:
    (``values`` + 3) S + 2 L + 6 to (``values`` + 5) S + 2 L + 5; it depends on whose turn it is. With S = 1: ``values``
    + 2 L + 11 to 12; with S = 2 up to 2 more. A turn less, S, is possible if it is raw or a stream is a single word."""
    S = p.decoder_lanes
    word = block.raw or min(block.offset_bytes, block.symbol_bytes) <= WORD_BYTES
    least, most = {1: (9, 10), 2: (8 if word else 10, 15)}.get(S, ((2 if word else 3) * S + 4, 5 * S + 3))
    return Span(least, most).plus(values * S + 2 * levels(p) + STREAM_OUT)


def head_cycles(p: MemorySide, block: Stored) -> int:
    """From the first beat of a block at the encoders' port to its head, all of it coded: n + 2 L + 12."""
    return EncoderArray.HEAD_CYCLES + block.values + 2 * levels(p)


def collisions(p: MemorySide, block: Stored) -> int:
    """How many cycles a block's head may come later than :func:`head_cycles` at most, if values have more than 8 bits:
    words of offsets may be as frequent then as words of symbols, which go before them, one a cycle."""
    return -(-block.symbol_bytes // WORD_BYTES) if p.codec.width > 8 else 0


def write_cycles(p: MemorySide, block: Stored, line: int) -> int:
    """From the first address on the bus of a job's last block, or where it would be, to the last beat of data, of a
    ``line`` of so many beats: c + 2 L + ``line`` + 5 and :func:`checksum`; of a raw block 3 more, and its beats in
    place of its chunks if they are more."""
    chunks = max(block.beats(p), block.chunks(p)) + PACK if block.raw else block.chunks(p)
    return 2 * levels(p) + EncoderArray.DATA_CYCLES - WRITE + chunks - 1 + checksum(p, block) + line + 4


def checksum(p: MemorySide, block: Stored) -> int:
    """From a block's last chunk to its checksum: log2(D / 8) + 6; one more if D is above 64; and one more if its last
    bytes fill a beat and begin another one."""
    size = p.data_bytes
    over = block.symbol_bytes % size + (block.offset_bytes - 1) % size + 1 > size
    return ceil_log2(size) + 6 + (p.data_width > 64) + over


def interface_cycles(p: MemorySide) -> tuple[int, int]:
    """What the block adds to its engines' own latencies at most, as ``golden.system`` counts it: of a decoder, from a
    directory entry at hand to a block's values, without M, chunks and values' turns: S + 2 L + 18 with 3
    streams or more. Of an encoder, from a block's last value in to its entry in memory, without chunks: 4 L + log2(D /
    8) + 25, one more if D is above 64.

    The engines' own: 4 S - 1, of 2 streams or more, from a block's first words to its first value; 9 from a block's
    last value to its last word.
    """
    block = Stored(1, 1, p.data_bytes)  # whose last bytes begin a beat
    entry = 5 + READ + to_last_chunk(p, block) - block.chunks(p)
    engine = 4 * p.decoder_lanes - 1  # with one stream 3, too
    word = STREAM_IN + head_cycles(p, block) - block.values - 9 + CHOICE + WRITE
    return entry + decoded(p, block, 0).most - engine, word + write_cycles(p, block, 1) - block.chunks(p)


def bursts(p: MemorySide, block: Stored) -> int:
    """Bursts at most in which a block is read: each stream's end where :func:`.axi.bursts.burst_beats` has it."""
    size, middle = p.data_bytes * burst_beats(p), block.address + block.symbol_bytes
    ranges = (block.address, middle), (middle, middle + block.offset_bytes)
    return sum((end - 1) // size - begin // size + 1 for begin, end in ranges if end > begin)


def keeps_up(p: MemorySide, block: Stored, memory: int) -> bool:
    """Whether neither bus nor latency of the memory are the limit while all engines work on blocks such as this.

    The bursts under way, ``p.outstanding`` at most, must cover the latency: each of E blocks in n cycles is a burst for
    each stream and each boundary between bursts, and an eighth of one for the directory. And its c chunks, and 5 cycles
    of the reader of blocks, must fit in n / E. A quarter is to be left over of both.
    """
    size = block.symbol_bytes + block.offset_bytes
    number = 2 + size / (p.data_bytes * burst_beats(p)) + 1 / LINE_ENTRIES
    busy = p.engines * (number * memory + size / p.data_bytes) / p.outstanding, p.engines * (block.chunks(p) + 5)
    return 4 * max(busy) <= 3 * block.values


def _beats(p: MemorySide, address: int, entries: int) -> int:
    """Beats of the bus that so many entries of a directory from ``address`` on are in."""
    return (address + entries * ENTRY_BYTES - 1) // p.data_bytes - address // p.data_bytes + 1
