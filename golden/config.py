"""The parameters of the codec: one immutable object that golden model and gateware are both built from."""

from dataclasses import asdict, dataclass, replace

# A directory entry holds each of a block's two stream lengths in 16 bits, and a block that would not
# become shorter is stored raw: so it is the raw size of a block that is bounded.
MAX_RAW_BYTES = 65535


def check_int(name: str, value, low: int, high: int, why: str = "") -> int:
    """Return ``value`` as a Python ``int`` if it is an integer in ``low..high``.

    Raises TypeError for anything that is not an integer, ValueError outside the range; ``why`` is added
    to the message where the limit is not obvious.
    """
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} must be an integer in {low}..{high}, not {value!r}")
    value = value.__index__()
    if not low <= value <= high:
        raise ValueError(f"{name} must be in {low}..{high}, not {value}" + (f" ({why})" if why else ""))
    return value


@dataclass(frozen=True, slots=True)
class CodecConfig:
    """Parameters that fix the coded bits. Checked on construction; never changes afterwards.

    Members
    -------
    width : W, bits of one value, 2..16.
    rows : N, rows that a table may have at most, 2..64.
    prob_bits : P, the rows' probability counts add up to ``2**P``; ``ceil(log2 N)``..15.
    mult_bits : M, bits of the normalized interval size ``t``, the multiplier's one operand, 2..16. Each value
        costs about ``2**-M`` bits more than unlimited precision would.
    block : values per block (the last one of a tensor may be shorter), 1..``65535*8 // W``.

    Raises TypeError for a value of the wrong kind, ValueError for one out of range.
    """

    width: int = 8
    rows: int = 16
    prob_bits: int = 10
    mult_bits: int = 8
    block: int = 16384

    def __post_init__(self):
        def checked(name, low, high, why=""):
            object.__setattr__(self, name, check_int(name, getattr(self, name), low, high, why))

        checked("width", 2, 16)
        checked("rows", 2, 64)
        checked("prob_bits", (self.rows - 1).bit_length(), 15, "each of the rows needs a count of its own")
        checked("mult_bits", 2, 16)
        checked("block", 1, self.longest_block, "a raw block must stay below 64 KiB")

    @property
    def longest_block(self) -> int:
        """Values a block may have at most at this width."""
        return MAX_RAW_BYTES * 8 // self.width

    @property
    def values(self) -> int:
        """Size of the value space, ``2**W``."""
        return 1 << self.width

    @property
    def total(self) -> int:
        """Sum of the probability counts, ``2**P``."""
        return 1 << self.prob_bits

    @property
    def range_bits(self) -> int:
        """R = M + P, bits of the code that are still open: products ``t * c`` are kept whole."""
        return self.mult_bits + self.prob_bits

    def with_(self, **changes) -> "CodecConfig":
        """A copy with some parameters changed, checked again."""
        return replace(self, **changes)

    def to_dict(self) -> dict:
        """Plain dictionary of the parameters, for JSON."""
        return asdict(self)


# What each preset means for the coded bits; the gateware adds how its engines are built. The width is no part of a
# choice between them: it is the tensor's.
PRESETS = {
    "small": CodecConfig(rows=8, prob_bits=8, mult_bits=6),  # half the table; real tensors take about 1 % more bits
    "balanced": CodecConfig(),
    "fast": CodecConfig(),
    "paper": CodecConfig(mult_bits=16),  # 16 rows, 10-bit counts, full-width multiplier
    "fpga": CodecConfig(),
}
DEFAULT_PRESET = "balanced"


def preset(name: str = DEFAULT_PRESET) -> CodecConfig:
    """The preset called ``name``, for values of 8 bits. Raises ValueError naming the presets there are."""
    try:
        return PRESETS[name]
    except KeyError:
        raise ValueError(f"preset must be one of {', '.join(PRESETS)}, not {name!r}") from None
