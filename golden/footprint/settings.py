"""What a footprint is measured with, and which tensors are measured together."""

from dataclasses import dataclass, field

from ..config import CodecConfig, check_int

PROFILED = ("others", "first")  # tables made of other inputs than the one they code
ACTIVATION_TABLES = (*PROFILED, "self")


@dataclass(frozen=True)
class Settings:
    """How tensors are coded and what else is worked out. Checked on construction; can be sent to another process.

    Members
    -------
    config : the codec's parameters; the width is each tensor's own, and its blocks are shorter where theirs must be.
    activation_tables : "others": an activation is coded with a table from the other inputs that the model holds (all
        of them added up, every value codable); "first": with a table from the first of them, and the first input's own
        with one of its own; "self": with one of its own, as weights always are.
    rivals : names of other schemes to measure, of :data:`golden.rivals.RIVALS`.
    verify : make every file, read it back and compare, instead of working out its size.
    width : W of the tensors whose file does not say it, 2..16; None: that of their dtype.
    pictures : keep each tensor's histogram and table, for drawing.

    Raises ValueError for anything but these.
    """

    config: CodecConfig = field(default_factory=CodecConfig)
    activation_tables: str = "others"
    rivals: tuple[str, ...] = ()
    verify: bool = False
    pictures: bool = False
    width: int | None = None

    def __post_init__(self):
        if self.width is not None:
            check_int("width", self.width, 2, 16)
        if self.activation_tables not in ACTIVATION_TABLES:
            allowed = ", ".join(ACTIVATION_TABLES[:-1]) + f" or {ACTIVATION_TABLES[-1]}"
            raise ValueError(f"activation_tables must be {allowed}, not {self.activation_tables!r}")
        if self.rivals:
            _check_rivals(self.rivals)

    def config_for(self, width: int) -> CodecConfig:
        """The codec's parameters for tensors of this width."""
        longest = CodecConfig(width=width, block=1).longest_block
        return self.config.with_(width=width, block=min(self.config.block, longest))


def _check_rivals(names: tuple[str, ...]) -> None:
    from ..rivals import RIVALS  # here: they are many, and none is needed without being asked for

    for name in names:
        if name not in RIVALS:
            raise ValueError(f"rivals must be of {', '.join(RIVALS)}, not {name!r}")
        missing = RIVALS[name].missing()
        if missing:
            raise ValueError(f"rivals cannot include {name}: {missing}")


def together(records) -> list[list]:
    """The records in groups: an activation with the same one for other inputs, everything else alone.

    Groups and their records keep the model's order.
    """
    groups: dict[tuple, list] = {}
    for record in records:
        alone = record.kind != "activation" or record.meta.get("input") is None
        groups.setdefault((record.key,) if alone else (record.name, record.bits, "inputs"), []).append(record)
    return list(groups.values())
