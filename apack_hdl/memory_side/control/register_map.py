"""What a register is: the description that the hardware, the document and the C header are made from."""

from dataclasses import dataclass

# How software and hardware share a field.
ACCESS = {
    "ro": "read only",
    "rw": "read and write",
    "rwh": "read and write; the hardware changes it, too",
    "w1c": "set by the hardware, cleared by writing 1",
    "w1s": "set by writing 1, cleared by the hardware when done",
    "wo": "writing 1 does it; reads as 0",
}


@dataclass(frozen=True)
class Field:
    """Bits of a register with a meaning of their own.

    ``low`` : number of the lowest one; ``bits`` : how many. ``access`` : a key of ACCESS. ``reset`` : value of a
    field of "rw" or "rwh" after reset. ``values`` : names of some values, for the C header.
    """

    name: str
    low: int
    bits: int
    access: str
    meaning: str
    reset: int = 0
    values: tuple[tuple[str, int], ...] = ()

    def __post_init__(self):
        if self.access not in ACCESS:
            raise ValueError(f"access of {self.name} must be one of {', '.join(ACCESS)}, not {self.access!r}")
        if self.low < 0 or self.bits < 1 or self.low + self.bits > 32:
            raise ValueError(f"{self.name} must lie in bits 0..31, not {self.low}..{self.low + self.bits - 1}")
        if self.reset >> self.bits:
            raise ValueError(f"reset of {self.name} must fit {self.bits} bits, not {self.reset}")

    @property
    def mask(self) -> int:
        """Ones where the field is."""
        return ((1 << self.bits) - 1) << self.low

    @property
    def stored(self) -> bool:
        """Whether software's value is kept."""
        return self.access in ("rw", "rwh")


@dataclass(frozen=True)
class Register:
    """32 bits at ``offset`` bytes. ``fields`` : low ones first. ``strobe`` : what is written to its highest byte that
    has a field is the end of a write, whose taking effect the hardware is told."""

    name: str
    offset: int
    meaning: str
    fields: tuple[Field, ...]
    strobe: bool = False

    def __post_init__(self):
        if self.offset % 4:
            raise ValueError(f"offset of {self.name} must be a multiple of 4, not {self.offset:#x}")
        for below, above in zip(self.fields, self.fields[1:], strict=False):
            if below.low + below.bits > above.low:
                raise ValueError(f"{self.name}: {above.name} must lie above {below.name}")

    @property
    def top_byte(self) -> int:
        """Number of the highest byte with a field."""
        return (self.fields[-1].low + self.fields[-1].bits - 1) // 8


def check_map(registers: tuple[Register, ...], size: int) -> tuple[Register, ...]:
    """Return the registers if they rise, have names of their own, and fit ``size`` bytes; ValueError otherwise."""
    for before, after in zip(registers, registers[1:], strict=False):
        if before.offset >= after.offset:
            raise ValueError(f"{after.name} must lie behind {before.name}")
    names = [register.name for register in registers]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"there must be one register {name}, not {names.count(name)}")
    if registers[-1].offset >= size:
        raise ValueError(f"{registers[-1].name} must lie below {size:#x}")
    return registers


def named_fields(registers: tuple[Register, ...], *access: str) -> dict[str, Field]:
    """The fields of these kinds of access, as ``register_field``."""
    return {
        f"{register.name}_{field.name}".lower(): field
        for register in registers for field in register.fields if field.access in access
    }


def markdown(registers: tuple[Register, ...]) -> str:
    """The registers as a document's sections."""
    lines = ["| offset | register | |", "|---|---|---|"]
    lines += [f"| `0x{r.offset:03X}` | [`{r.name}`](#{r.name.lower()}) | {r.meaning.split('. ')[0].rstrip('.')} |"
              for r in registers]
    for register in registers:
        lines += ["", f"### {register.name}", "", f"Offset `0x{register.offset:03X}`. {register.meaning}", ""]
        lines += ["| bits | field | access | reset | |", "|---|---|---|---|---|"]
        for field in register.fields:
            bits = f"{field.low + field.bits - 1}:{field.low}" if field.bits > 1 else f"{field.low}"
            reset = f"{field.reset}" if field.stored or field.access in ("w1c", "w1s") else ""
            values = "; ".join(f"{value} {name}" for name, value in field.values)
            meaning = field.meaning + (f": {values}" if values else "")
            lines.append(f"| {bits} | `{field.name}` | {field.access} | {reset} | {meaning} |")
    return "\n".join(lines) + "\n"


def c_header(registers: tuple[Register, ...], prefix: str) -> str:
    """Offsets, and of each field mask and shift, as C macros."""
    lines = []
    for register in registers:
        name = f"{prefix}_{register.name}"
        lines += ["", f"/* {_one_line(register.meaning)} */", f"#define {name} 0x{register.offset:03X}u"]
        for field in register.fields:
            if len(register.fields) == 1 and field.bits == 32:
                continue  # the register itself
            inner = f"{name}_{field.name.upper()}"
            lines += [f"#define {inner}_SHIFT {field.low}", f"#define {inner}_MASK 0x{field.mask:08X}u"]
            lines += [f"#define {inner}_{value_name} {value}u" for value_name, value in field.values]
    return "\n".join(lines[1:]) + "\n"


def _one_line(text: str) -> str:
    """Comments show the first sentence."""
    return text.split(". ")[0].rstrip(".").replace("`", "").replace("*/", "")
