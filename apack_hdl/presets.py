"""Engines worth building: parameters of the codec and of the hardware that go together."""

from dataclasses import dataclass, field

from golden.config import PRESETS as CODECS
from golden.config import CodecConfig


@dataclass(frozen=True)
class EnginePreset:
    """An encoder and a decoder for the same streams.

    Members
    -------
    use : what it is for, in a few words.
    codec : parameters of the coded bits, for values of 8 bits (``with_`` gives others).
    word : bits of a word of the compressed streams.
    encoder, decoder : further options of the two components; what is left out is their default.
    press : the clock period that synthesis is to aim for, as a share of the cell library's usual one. A mapper that is
        not pressed takes small and slow cells.
    """

    use: str
    codec: CodecConfig
    word: int = 32
    encoder: dict = field(default_factory=dict)
    decoder: dict = field(default_factory=dict)
    press: float = 1.0

    def options(self, direction: str) -> dict:
        """All that the constructor of the "encoder" or the "decoder" is to be given besides the codec's parameters."""
        return {"word": self.word} | {"encoder": self.encoder, "decoder": self.decoder}[direction]


PRESETS = {
    "small": EnginePreset("least area", CODECS["small"], word=16, decoder={"search": "division"}),
    "balanced": EnginePreset(
        "one value per cycle at 1 GHz", CODECS["balanced"], decoder={"streams": 6, "search": "division"}
    ),
    "fast": EnginePreset(
        "highest clock", CODECS["fast"], decoder={"streams": 7, "search": "division"}, press=0.8
    ),
    "paper": EnginePreset(
        "full-width multiplier, all rows compared at once", CODECS["paper"], decoder={"streams": 8, "search": "flash"}
    ),
    "fpga": EnginePreset(
        "100 MHz on an ECP5, with its multipliers", CODECS["fpga"], decoder={"streams": 8, "search": "quaternary"}
    ),
}
