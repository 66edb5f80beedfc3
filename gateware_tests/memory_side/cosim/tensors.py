"""What the block is given: tensors with tables, and how they look on the streams."""

import json
from dataclasses import dataclass

import numpy as np

from golden import codec, sample, search
from golden.config import CodecConfig
from golden.table import SymbolTable


@dataclass(frozen=True)
class Tensor:
    """Values, and the table that they are coded with, whose configuration has their width and the block length."""

    array: np.ndarray
    table: SymbolTable

    @property
    def width(self) -> int:
        return self.table.config.width

    @property
    def signed(self) -> bool:
        return codec.is_signed(self.array, self.width)

    @property
    def codes(self) -> np.ndarray:
        return codec.to_codes(self.array, self.width)[0]


def table_config(config: CodecConfig, width: int, block: int) -> CodecConfig:
    """For tensors of ``width`` bits in hardware of ``config``: narrower ones have a row less."""
    return config.with_(width=width, block=block, rows=config.rows - (width < config.width))


def real(config: CodecConfig, kind: str, *, values: int, block: int, rank: int = 0) -> Tensor:
    """The first ``values`` of a tensor of the shipped sample: the one that is ``rank``-th in size of its kind; the
    highest bits of them, if 8 are too many for the engines."""
    with np.load(sample.PATH) as pack:
        records = [r for r in json.loads(bytes(pack["meta"]))["tensors"] if r["kind"] == kind]
        record = sorted(records, key=lambda r: -r["n_stored"])[rank]
        width = min(8, config.width)
        array = pack[record["key"]].reshape(-1)[:values] >> (8 - width)
    return with_table(config, array, width, block)


def made(config: CodecConfig, rng: np.random.Generator, *, width: int, values: int, block: int) -> Tensor:
    """Values of which some blocks are easy to code, some are not, and one value in fifty has no code."""
    spread = rng.choice([0.3, 2.0, 2.0 ** (width - 2)], size=-(-values // block)).repeat(block)[:values]
    half = 1 << (width - 1)
    drawn = np.clip(np.rint(rng.normal(size=values) * spread), -half, half - 1)
    array = drawn.astype(np.int8 if width <= 8 else np.int16)
    common = with_table(config, array, width, block)
    seen = array[np.abs(drawn) <= max(1, half // 3)]  # the table knows no others
    return Tensor(array, with_table(config, seen if len(seen) else array, width, block).table) if width > 2 else common


def with_table(config: CodecConfig, array: np.ndarray, width: int, block: int) -> Tensor:
    """An array with the best table for it."""
    codes, _ = codec.to_codes(array, width)
    own = table_config(config, width, block)
    return Tensor(array, search.search_table(own, search.histogram(codes, width)).table)


def on_stream(tensor: Tensor, value_bits: int, *, dense: bool, extend: bool = False) -> bytes:
    """The values as the accelerator's stream carries them; ``extend``: with their signs in all of the container."""
    codes = tensor.codes.astype(np.uint32)
    if dense:
        bits = codes[:, None] >> np.arange(tensor.width) & 1
        return np.packbits(bits.astype(np.uint8).reshape(-1), bitorder="little").tobytes()
    if extend:
        codes = np.where(codes >> (tensor.width - 1), codes | (-1 << tensor.width) & 0xFFFFFFFF, codes)
    return (codes & (1 << value_bits) - 1).astype(np.dtype(f"<u{value_bits // 8}")).tobytes()
