"""The parameters of the memory-side block: one immutable object that all parts of it are built from."""

from dataclasses import dataclass, field

from amaranth.utils import bits_for, exact_log2

from golden.config import CodecConfig, check_int

DATA_WIDTHS = (32, 64, 128, 256, 512)
ORDERS = ("in order", "by id")


def check_choice(name: str, value, allowed: tuple):
    """Return ``value`` if it is one of ``allowed``. Raises ValueError if not."""
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(map(str, allowed))}, not {value!r}")
    return value


@dataclass(frozen=True)
class MemorySide:
    """How a memory-side block is built.

    Members
    -------
    codec : the codec's parameters. Tensors may have narrower values than ``codec.width``, W (then with one row less
        in their tables, see FORMAT.md), and shorter blocks than ``codec.block``, the longest.
    engines : E, encoders, and as many decoders, 1..64.
    data_width : bits of the AXI data bus to the memory, 32..512.
    address_width : bits of a memory address, 32..64.
    stream_width : bits of TDATA of both streams on the accelerator's side, 32..1024, a power of two; default: the
        least with room for a value of each engine.
    order : of the blocks that leave the decoders: "in order", or "by id": as they are ready, with their number as
        TID.
    encoder, decoder : options of the engines, see :class:`apack_hdl.encoder.Encoder` and
        :class:`apack_hdl.decoder.Decoder`; the word is 32.
    queue : jobs that can wait, 4..64, a power of two.
    tables : tables that can be held, 1..16.
    outstanding : read bursts, and write bursts, under way at a time, 1..64.
    burst : beats of a burst at most, 1..256.

    Raises TypeError for a value of the wrong kind, ValueError for one out of range.
    """

    codec: CodecConfig = CodecConfig(block=1024)
    engines: int = 4
    data_width: int = 64
    address_width: int = 40
    stream_width: int | None = None
    order: str = "in order"
    encoder: dict = field(default_factory=dict)
    decoder: dict = field(default_factory=lambda: {"streams": 6, "search": "division"})
    queue: int = 8
    tables: int = 4
    outstanding: int = 8
    burst: int = 16

    def __post_init__(self):
        if not isinstance(self.codec, CodecConfig):
            raise TypeError(f"codec must be a CodecConfig, not {self.codec!r}")
        limits = {
            "engines": (1, 64), "address_width": (32, 64), "queue": (4, 64), "tables": (1, 16), "outstanding": (1,
            64), "burst": (1, 256),
        }
        for name, (low, high) in limits.items():
            object.__setattr__(self, name, check_int(name, getattr(self, name), low, high))
        check_choice("data_width", self.data_width, DATA_WIDTHS)
        check_choice("order", self.order, ORDERS)
        check_choice("queue", self.queue, (4, 8, 16, 32, 64))
        least = max(32, 1 << (self.engines * self.value_bits - 1).bit_length())
        if self.stream_width is None:
            object.__setattr__(self, "stream_width", least)
        check_choice("stream_width", self.stream_width, (32, 64, 128, 256, 512, 1024))

    @property
    def value_bits(self) -> int:
        """Bits that a value has on the streams: 8, or 16 if W is above 8."""
        return 8 if self.codec.width <= 8 else 16

    @property
    def beat_values(self) -> int:
        """V, values in a beat of a stream."""
        return self.stream_width // self.value_bits

    @property
    def data_bytes(self) -> int:
        """Bytes in a beat of the memory's bus."""
        return self.data_width // 8

    @property
    def data_shift(self) -> int:
        """log2 of that."""
        return exact_log2(self.data_bytes)

    @property
    def longest_raw(self) -> int:
        """Bytes of the longest block, raw."""
        return (self.codec.block * self.codec.width + 7) // 8

    @property
    def value_rows(self) -> int:
        """Beats of values in the longest block."""
        return -(-self.codec.block // self.beat_values)

    @property
    def stored_rows(self) -> int:
        """Beats of the memory's bus for the longest stored block, its two streams each from the beginning of a beat:
        one more than for a raw block, as a coded one is shorter."""
        return -(-self.longest_raw // self.data_bytes) + 1

    @property
    def count_bits(self) -> int:
        """Bits of a block's number of values less one."""
        return bits_for(self.codec.block - 1)

    @property
    def encoder_lanes(self) -> int:
        """Streams of an encoder."""
        return self.encoder.get("streams", 1)

    @property
    def decoder_lanes(self) -> int:
        """Streams of a decoder."""
        return self.decoder.get("streams", 1)
