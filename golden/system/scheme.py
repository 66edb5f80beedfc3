"""How tensors are stored in memory: raw, by APack's codec, or by another scheme."""

from dataclasses import dataclass, field
from math import ceil

from .layers import Operand
from .machine import IDEAL, Codec

IDEAL_CODEC = Codec(65535, 65535, 0.0, IDEAL, IDEAL)


@dataclass(frozen=True, eq=False)
class Scheme:
    """A way to store tensors.

    Members
    -------
    name : "raw", "apack", a rival's name.
    codec : its engines and blocks; None for raw, which has none.
    ratios : stored to raw bits, by tensor, without what each further block adds.
    means : the same by kind ("weights", "activations"), for tensors that nothing is known about.
    raw : tensors that are stored as they are, past the engines.
    least : ``least_block`` of tensors that have another one than the codec.
    """

    name: str
    codec: Codec | None = None
    ratios: dict[str, float] = field(default_factory=dict)
    means: dict[str, float] = field(default_factory=dict)
    raw: frozenset = frozenset()
    least: dict[str, int] = field(default_factory=dict)

    def codes(self, operand: Operand) -> bool:
        """Whether this operand goes through the engines."""
        return self.codec is not None and operand.tensor not in self.raw

    def ratio(self, operand: Operand) -> float:
        """Of this operand."""
        if not self.codes(operand):
            return 1.0
        found = self.ratios.get(operand.tensor)
        return self.means.get(operand.kind, 1.0) if found is None else found

    def block_for(self, operand: Operand, values: float) -> int:
        """Values of a block of a tile of so many."""
        return self.codec.block_for(values, self.least.get(operand.tensor))

    def stored_bytes(self, operand: Operand, values: float, burst: int) -> float:
        """Bytes that a transfer of so many values moves: whole bursts, of the tile or, if aligned, of each block.

        Tensors are laid out tile by tile, so a tile begins with a block. It never takes more than it would raw.
        """
        raw = whole_bursts(values * operand.width / 8, burst)
        if not self.codes(operand):
            return raw
        bits, block = operand.width * self.ratio(operand), self.block_for(operand, values)
        full, rest = divmod(values, block)
        if self.codec.aligned:
            blocks = full * whole_bursts(block * bits / 8 + self.codec.block_bytes, burst)
            blocks += whole_bursts(rest * bits / 8 + self.codec.block_bytes, burst) if rest else 0.0
            return min(raw, blocks)
        return min(raw, whole_bursts(values * bits / 8 + (full + (rest > 0)) * self.codec.block_bytes, burst))


def whole_bursts(volume: float, burst: int) -> float:
    """Bytes rounded up to bursts; a hair is no burst."""
    return burst * ceil(volume / burst - 1e-9)


RAW = Scheme("raw")


def uniform(ratio: float, codec: Codec) -> Scheme:
    """Everything stored at the same ratio."""
    return Scheme("uniform", codec, {}, {"weights": ratio, "activations": ratio})
