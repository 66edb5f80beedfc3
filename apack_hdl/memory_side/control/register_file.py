"""Registers as hardware, made from their description."""

from functools import reduce
from operator import or_

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ...registers import payload_register
from ..axi.lite import access_layout, answer_layout
from .register_map import Register, named_fields

GROUP = 8  # registers whose data are put together in one step


class RegisterFile(wiring.Component):
    """Holds what software writes, shows what the hardware says, and tells of writes that do something.

    From an access to its answer 3 cycles; a write takes effect in the second. What is written to fields that are read
    only is ignored. All outputs are registered but ``access.ready``, which depends on registers only.

    Parameters
    ----------
    registers : their description. address_width : bits of a byte address.

    Members
    -------
    access, answer : streams, see :mod:`..axi.lite`. An address without a register gives an error.
    clear : In(1), all fields as after reset; accesses go on.
    shown : In, what fields of access "ro", "w1c" and "w1s" show, by name (``register_field``, lower case).
    kept : Out, the fields of access "rw" and "rwh", by name.
    update : In, for those of access "rwh": ``enable``, and the ``value`` to take instead; software's own write in the
        same cycle goes before.
    pulses : Out, the fields of access "w1c", "w1s" and "wo": for one cycle ones where ones were written.
    written : Out, by register: for one cycle after the last byte of a register with ``strobe`` was written, ``kept``
        has it already.
    """

    def __init__(self, registers: tuple[Register, ...], address_width: int):
        self.registers, self.address_width = registers, address_width

        def struct(*access):
            return data.StructLayout({name: field.bits for name, field in named_fields(registers, *access).items()})

        updates = {name: data.StructLayout({"enable": 1, "value": field.bits})
                   for name, field in named_fields(registers, "rwh").items()}
        super().__init__({
            "access": In(stream.Signature(access_layout(address_width))),
            "answer": Out(stream.Signature(answer_layout())),
            "clear": In(1),
            "shown": In(struct("ro", "w1c", "w1s")),
            "kept": Out(struct("rw", "rwh")),
            "update": In(data.StructLayout(updates)),
            "pulses": Out(struct("w1c", "w1s", "wo")),
            "written": Out(data.StructLayout({r.name.lower(): 1 for r in registers if r.strobe})),
        })

    def elaborate(self, platform):
        m = Module()
        access, answer = self.access, self.answer
        hit = Signal(len(self.registers), reset_less=True)
        step, busy = Signal(2, name="step"), Signal(name="busy")
        with m.If(access.valid & ~busy):
            m.d.sync += [busy.eq(1), step.eq(1)]
            m.d.sync += hit.eq(Cat(access.payload.address == r.offset // 4 for r in self.registers))
        with m.Else():
            m.d.sync += step.eq(step << 1)

        self._keep(m)
        with m.If(step[0] & access.payload.write):
            self._write(m, hit)
        parts = self._read(m, hit)

        payload = payload_register(m, answer)
        m.d.comb += access.ready.eq(step[1])
        with m.If(step[1]):
            m.d.sync += [answer.valid.eq(1), payload.error.eq(~hit.any())]
            m.d.sync += payload.data.eq(reduce(or_, parts))
        with m.If(answer.valid & answer.ready):
            m.d.sync += [answer.valid.eq(0), busy.eq(0)]
        return m

    def _keep(self, m: Module):
        """The fields that software's value is kept of, without software; and pulses end."""
        self.registers_kept = {}
        for name, field in named_fields(self.registers, "rw", "rwh").items():
            register = Signal(field.bits, init=field.reset, name=f"kept_{name}")
            self.registers_kept[name] = register
            m.d.comb += self.kept[name].eq(register)
            if field.access == "rwh":
                with m.If(self.update[name].enable):
                    m.d.sync += register.eq(self.update[name].value)
            with m.If(self.clear):
                m.d.sync += register.eq(field.reset)
        m.d.sync += [self.pulses.as_value().eq(0), self.written.as_value().eq(0)]

    def _write(self, m: Module, hit):
        """Take the bytes that are to be written into the register that is meant."""
        given = self.access.payload
        mask = Cat(bit.replicate(8) for bit in given.strobe)
        for k, register in enumerate(self.registers):
            with m.If(hit[k]):
                if register.strobe:
                    m.d.sync += self.written[register.name.lower()].eq(given.strobe[register.top_byte])
                for field in register.fields:
                    name, at = f"{register.name}_{field.name}".lower(), slice(field.low, field.low + field.bits)
                    if field.stored:
                        kept = self.registers_kept[name]
                        m.d.sync += kept.eq((kept & ~mask[at]) | (given.data[at] & mask[at]))
                    elif field.access != "ro":
                        m.d.sync += self.pulses[name].eq(given.data[at] & mask[at])

    def _read(self, m: Module, hit) -> list:
        """What the register that is meant shows, still in parts to be put together."""
        words = []
        for k, register in enumerate(self.registers):
            shown, at = [], 0
            for field in register.fields:
                name = f"{register.name}_{field.name}".lower()
                if field.low > at:
                    shown.append(Const(0, field.low - at))
                source = self.registers_kept if field.stored else self.shown
                shown.append(source[name] if field.access != "wo" else Const(0, field.bits))
                at = field.low + field.bits
            words.append(Mux(hit[k], Cat(*shown), 0))
        parts = []
        for number, first in enumerate(range(0, len(words), GROUP)):
            part = Signal(32, name=f"part{number}", reset_less=True)
            m.d.sync += part.eq(reduce(or_, words[first : first + GROUP]))
            parts.append(part)
        return parts
