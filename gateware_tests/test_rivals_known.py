"""Sizes of the rivals worked out by hand from their definitions, and against independent calculations."""

import heapq

import numpy as np
import pytest

from golden.config import CodecConfig
from golden.rivals import RIVALS, integers, paper, readings, run_length
from golden.rivals.huffman import code_lengths
from golden.rivals.streams import Reader
from golden.search import histogram, search_table


def codes(*values):
    return np.array(values).astype(np.uint8)


def laplacian(count, scale, seed=1):
    return np.rint(np.random.default_rng(seed).laplace(0, scale, count)).clip(-128, 127).astype(np.int8).view(np.uint8)


def entropy_bits(counts):
    used = counts[counts > 0]
    return float(used @ (np.log2(used.sum()) - np.log2(used)))


RAMP = codes(*range(1, 9))


@pytest.mark.parametrize(
    "name, tensor, width, bits",
    [
        # 3 bits name the field: 5, so that 20 needs one pair; two pairs of 8 + 5
        ("rle", codes(*[5] * 20, 7), 8, 3 + 2 * 13),
        ("rle", codes(*[5] * 16, *[7] * 16), 8, 3 + 2 * 12),
        # field and zero; (3 zeros, 9), (1 zero, 0) with 2 bits of run
        ("rlez", codes(0, 0, 0, 9, 0, 0), 8, 3 + 8 + 2 * 10),
        ("rlez", codes(128, 128, 128, 9, 128, 128), 8, 3 + 8 + 2 * 10),
        ("zvc", codes(0, 0, 0, 9, 0, 0), 8, 8 + 6 + 8),
        ("zvc", codes(3, 3, 3, 1), 2, 2 + 4 + 2),
        # zero and sign; width of the group; values
        ("shapeshifter8", codes(0, 1, 2, 3, 0, 0, 0, 0), 8, 9 + 3 + 8 * 2),
        ("shapeshifter8z", codes(0, 1, 2, 3, 0, 0, 0, 0), 8, 9 + 8 + 3 + 3 * 2),
        ("shapeshifter16", codes(0, 1, 2, 3, 0, 0, 0, 0), 8, 9 + 3 + 8 * 2),  # one short group
        ("shapeshifter8", codes(*[255, 1, 254, 1] * 2, 127), 8, 9 + 3 + 8 * 2 + 3 + 8),  # -1, 1, -2: two bits with sign
        ("shapeshifter8z", codes(255, 0, 0, 0, 0), 4 + 4, 9 + 5 + 3 + 1),  # -1 in one bit
        # no zeros: 8 bits; first value; planes 8 to 1 are 0: a run; plane 0 is all ones
        ("ebpc", RAMP, 8, 9 + 8 + 8 + (3 + 3) + 5),
        # steps of 2, then of 1: plane 1 from 0 to 0011111, written as it is; plane 0 to 1100000: two neighbours
        # differ in all places from plane 1: all ones
        ("ebpc", codes(10, 12, 14, 16, 18, 20, 21, 22), 8, 9 + 8 + 8 + (3 + 3) + 8 + 5),
        # the places of two ones and of one go up to the last
        ("ebpc", codes(*[10] * 6, 11, 12), 8, 9 + 8 + 8 + (3 + 3) + (5 + 3)),
        ("ebpc", codes(10, 14, 18, 22, 26, 30, 34, 39), 8, 9 + 8 + 8 + (3 + 3) + 5 + 5 + (5 + 3)),
        # zeros: runs of 16, 4; a block with one value and seven fillers: steps -5, 0 ..: planes 8..3 0000001, 2 is 0
        # (-5 = 111111011), 1..0 0000001 again: single one, run of 5, plane itself 0, single one, one zero
        ("ebpc", codes(*[0] * 20, 5), 8, 9 + 2 * 5 + 1 + 8 + 8 + 6 + 5 + 8 + 2),
    ],
)
def test_by_hand(name, tensor, width, bits):
    assert RIVALS[name].scheme.bits(tensor, width) == bits


def test_published_runs_of_four_bits_are_among_those_tried():
    """EIE's field of 4 bits: with zeros in runs of 15 before each value nothing is shorter."""
    tensor = codes(*([0] * 15 + [9]) * 10)
    assert RIVALS["rlez"].scheme.bits(tensor, 8) == 3 + 8 + 10 * (4 + 8)


def test_runs_do_not_end_where_pieces_do(monkeypatch):
    lengths = [1, 70, 2, 64, 1, 1, 200, 63]
    tensor = np.repeat(codes(*range(len(lengths))), lengths)
    for piece in (16, 64, 1000):
        monkeypatch.setattr(readings, "PIECE", piece)
        assert np.concatenate(list(run_length._runs(tensor))).tolist() == lengths


def test_huffman_is_optimal():
    """Total length against the sum of all merged weights, by a heap."""
    rng = np.random.default_rng(2)
    for size in (2, 3, 5, 17, 256):
        counts = (rng.random(size) ** 6 * 1000).astype(np.int64) * (rng.random(size) < 0.8)
        counts[[0, -1]] = 1, 7
        heap, total = sorted(counts[counts > 0].tolist()), 0
        while len(heap) > 1:
            merged = heapq.heappop(heap) + heapq.heappop(heap)
            total += merged
            heapq.heappush(heap, merged)
        lengths = code_lengths(counts)
        assert int(counts @ lengths) == total and np.array_equal(lengths > 0, counts > 0)
        assert sum(2.0 ** -lengths[lengths > 0]) == 1


def test_huffman_lengths_beyond_any_machine_word():
    fibonacci = [1, 1]
    while len(fibonacci) < 60:
        fibonacci.append(sum(fibonacci[-2:]))
    assert code_lengths(np.array(fibonacci)).max() == 59


def test_entropy_coders_are_near_the_entropy():
    tensor = laplacian(100_000, 9)
    floor = entropy_bits(histogram(tensor, 8))
    assert floor < RIVALS["huffman"].bits(tensor, 8) < 1.01 * floor
    if not RIVALS["ans"].missing():
        assert floor < RIVALS["ans"].bits(tensor, 8) < 1.0005 * floor + 6 * 256  # six bits a count


def test_wide_tensor_keeps_low_bits_rather_than_a_long_table():
    tensor = np.random.default_rng(1).normal(30_000, 3000, 2000).astype(np.uint16)
    floor = entropy_bits(histogram(tensor >> 8, 16)) + 8 * len(tensor)
    assert RIVALS["huffman"].bits(tensor, 16) < 1.02 * floor < 16 * len(tensor)


@pytest.mark.parametrize("values", [[], [0], [7, 7, 7], [0, 65536, 0], list(range(300)), [9, 0, 0, 0, 0, 0, 1]])
def test_integers(values):
    values = np.array(values, np.int64)
    bits = integers.encode(values)
    assert integers.bits(values) == len(bits)
    reader = Reader(bits)
    assert np.array_equal(integers.decode(reader, len(values)), values) and reader.position == len(bits)


def test_published_form():
    """The heuristic's rows, 16 of 22 bits; symbols within 0.3 % of ideal; and so behind the optimal table."""
    tensor = laplacian(60_000, 12)
    counts = histogram(tensor, 8)
    table = paper.search(counts, 8)
    heuristic = search_table(CodecConfig(), counts, method="heuristic")
    assert tuple(table.v_min) == heuristic.table.v_min and table.counts.sum() == 1024 and table.counts.min() > 0
    assert table.bits == 16 * (8 + 4 + 10)
    symbols = paper.symbol_bits(table, tensor)
    mass = np.add.reduceat(counts, table.v_min)
    ideal = float(mass @ (10 - np.log2(table.counts)))
    assert ideal < symbols < 1.001 * ideal + 2 * 64  # what is left of the last intervals pays for most of the ends
    assert RIVALS["paper"].scheme.bits(tensor, 8) == symbols + table.bits + int(mass @ table.offset_bits)
    assert RIVALS["paper"].scheme.bits(tensor, 8) > search_table(CodecConfig(), counts).cost_bits


def test_published_form_carries_and_underflows():
    """A table of two halves of the register, so that the interval often straddles its middle."""
    rng = np.random.default_rng(5)
    for counts in ([341, 342, 341], [1, 1022, 1], [1023, 0, 1], [511, 2, 511]):
        table = paper.Table(2, np.array([0, 1, 2]), np.array(counts))
        rows = rng.choice(3, 2000, p=np.array(counts) / 1024).astype(np.uint8)
        one = paper._encode(table.bounds.tolist(), rows.tolist())
        assert 2 + paper._doublings(table.bounds, rows, len(rows)) == len(one)
        assert paper._decode(Reader(one), table.bounds.tolist(), len(rows)) == rows.tolist()


def test_libraries_are_asked():
    """Sizes are those of what the libraries write, to the byte."""
    tensor = laplacian(5000, 9)
    if not RIVALS["zstd19"].missing():
        import zstandard

        plain = zstandard.ZstdCompressor(level=19, write_content_size=False).compress(tensor.tobytes())
        assert RIVALS["zstd19"].scheme.bits(tensor, 8) == 8 * (len(plain) - 4)  # the magic number
    if not RIVALS["lz4"].missing():
        import lz4.block

        assert RIVALS["lz4"].scheme.bits(tensor, 8) == 8 * len(lz4.block.compress(tensor.tobytes(), store_size=False))
    if not RIVALS["mlw"].missing():
        from ethosu import mlw_codec

        signed = 8 * len(mlw_codec.encode(tensor.view(np.int8).tolist()))
        assert RIVALS["mlw"].scheme.bits(tensor, 8) == 9 + signed
