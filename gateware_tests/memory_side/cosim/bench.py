"""What surrounds the block in a simulation: memory, accelerator, software."""

import json
import os
import random

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge, with_timeout
from cocotbext.axi import (
    AxiBus,
    AxiLiteBus,
    AxiLiteMaster,
    AxiSlave,
    AxiStreamBus,
    AxiStreamFrame,
    AxiStreamSink,
    AxiStreamSource,
)

from apack_hdl.memory_side.control.registers import COUNTERS, REGISTERS
from apack_hdl.memory_side.layouts import Error
from golden import memory as images

from . import runner
from .tensors import Tensor, on_stream

TOLD = json.loads(os.environ["APACK_COSIM"])
P = runner.parameters(TOLD["parameters"])
SETTINGS = TOLD["settings"]
PERIOD = 10  # ns
PATIENCE = 50_000  # cycles that no job takes
REGISTER = {register.name: register for register in REGISTERS}


class Memory:
    """``size`` bytes from address ``base`` on, filled with noise; accesses outside, or to ``broken`` ones, are errors.

    ``broken`` : ranges of offsets, by "read" and "write". ``share`` of accesses that take up to 20 cycles.
    """

    def __init__(self, clock, size: int, base: int, rng: random.Random):
        self.clock, self.base, self.rng, self.share = clock, base, rng, 0.0
        self.bytes = bytearray(rng.randbytes(size))
        self.broken = {"read": [], "write": []}

    async def read(self, address: int, length: int) -> bytes:
        offset = await self._access("read", address, length)
        return bytes(self.bytes[offset : offset + length])

    async def write(self, address: int, data: bytes):
        offset = await self._access("write", address, len(data))
        self.bytes[offset : offset + len(data)] = data

    async def _access(self, kind: str, address: int, length: int) -> int:
        offset = address - self.base
        if self.share and self.rng.random() < self.share:
            await ClockCycles(self.clock, self.rng.randint(1, 20))
        inside = 0 <= offset and offset + length <= len(self.bytes)
        if not inside or any(low < offset + length and offset < high for low, high in self.broken[kind]):
            raise ValueError(f"{kind} of {length} bytes at {address:#x}")
        return offset


class Bench:
    """The block with all around it. ``expected``: what the memory should hold, according to the golden model."""

    def __init__(self, dut, seed: int, size: int = 1 << 20):
        self.dut, self.rng = dut, random.Random(f"{TOLD['seed']} {seed}")
        self.numpy_rng = np.random.default_rng(self.rng.getrandbits(32))
        # Addresses use all bits there are; the memory begins in the middle of a page of the directory's lines.
        base = (1 << P.address_width) - 2 * size + 64
        self.memory = Memory(dut.clk, size, base, self.rng)
        self.expected = bytearray(self.memory.bytes)
        self.tag = self.sent = 0  # number of the last job; beats offered to the block so far

    async def start(self):
        """Clock and reset; enable the block and its interrupts."""
        dut = self.dut
        dut.rst.value = 1
        cocotb.start_soon(Clock(dut.clk, PERIOD, "ns").start())
        await ClockCycles(dut.clk, 2)
        # The models cannot do with levels that are not known, as before reset.
        clocked = dut.clk, dut.rst
        self.axil = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), *clocked)
        self.axi = AxiSlave(AxiBus.from_prefix(dut, "m_axi"), *clocked, target=self.memory)
        self.source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis"), *clocked)
        self.sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), *clocked)
        await ClockCycles(dut.clk, 2)
        dut.rst.value = 0
        cocotb.start_soon(self._watch())
        await self.enable()

    async def reset(self):
        """``rst``, at any moment; everything around the block begins anew with it, but for what the memory holds."""
        self.dut.rst.value = 1
        await ClockCycles(self.dut.clk, self.rng.randint(1, 3))
        self.dut.rst.value = 0
        self.sent = 0
        await self.enable()

    async def enable(self):
        """Jobs may begin, and every event interrupts."""
        await self.write("CONTROL", enable=1)
        await self.write("IRQ_ENABLE", job_done=1, job_failed=1)

    def stall(self, share: float):
        """Let every channel, and accesses to the memory, wait in this share of the cycles, at random."""
        axi, axil = self.axi, self.axil
        channels = [axi.write_if.aw_channel, axi.write_if.w_channel, axi.write_if.b_channel, axi.read_if.ar_channel]
        channels += [axi.read_if.r_channel, axil.write_if.aw_channel, axil.write_if.w_channel, axil.write_if.b_channel]
        channels += [axil.read_if.ar_channel, axil.read_if.r_channel, self.source, self.sink]
        for channel in channels:
            channel.set_pause_generator(self._pauses(share * self.rng.choice([0.5, 1.0, 1.5])))
        self.memory.share = share / 8

    def _pauses(self, share: float):
        rng = random.Random(self.rng.random())
        while True:
            yield rng.random() < share

    async def _watch(self):
        """Fail as soon as a rule is broken."""
        while True:
            self.check_rules()
            await self.dut.broken.value_change

    def check_rules(self):
        """Raise AssertionError if a rule of the protocol was broken so far."""
        broken = str(self.dut.broken.value)[::-1]
        found = [name for name, bit in zip(TOLD["watchers"], broken, strict=True) if bit != "0"]
        assert not found, f"rules broken: {', '.join(found)}"

    # Registers

    async def write(self, name: str, **fields):
        """Write the fields of a register, the others as 0."""
        register, value = REGISTER[name], 0
        known = {field.name: field for field in register.fields}
        for field, number in fields.items():
            assert number >> known[field].bits == 0, f"{name}.{field} has no room for {number}"
            value |= number << known[field].low
        response = await self.axil.write(register.offset, value.to_bytes(4, "little"))
        assert response.resp == 0, f"{name}: {response.resp!r}"

    async def read(self, name: str) -> dict[str, int]:
        """All fields of a register."""
        register = REGISTER[name]
        answer = await self.axil.read(register.offset, 4)
        assert answer.resp == 0, f"{name}: {answer.resp!r}"
        value = int.from_bytes(answer.data, "little")
        return {field.name: (value & field.mask) >> field.low for field in register.fields}

    async def counters(self) -> dict[str, int]:
        """All counters."""
        found = {}
        for name in COUNTERS:
            low = (await self.read(f"{name.upper()}_LO"))["value"]
            found[name] = low | (await self.read(f"{name.upper()}_HI"))["value"] << 32
        return found

    async def load_table(self, number: int, table):
        """Write a table, row by row."""
        await self.write("TABLE_SELECT", table=number, row=0)
        for v_min, count in images.table_rows(table, P.codec):
            await self.write("TABLE_ROW", v_min=v_min, count=count)
        assert not (await self.read("STATUS"))["row_refused"]

    # Jobs

    def place(self, tensor: Tensor, layout: str, at: int, *, room: int | None = None) -> images.Image:
        """Where a tensor is to lie: blocks from offset ``at`` on, directory behind, with ``room`` bytes for blocks."""
        values, config = len(tensor.array), tensor.table.config
        raw, count = (config.block * config.width + 7) // 8, -(-values // config.block)
        slot = raw + self.rng.choice([0, 1, 13, 64 - raw % 64]) if layout == "slots" else 0
        directory = at + (room or count * max(slot, raw)) + 8
        return images.Image(
            tensor.table, tensor.array.dtype, tensor.array.shape, tensor.signed, layout, at, directory & -8, slot,
        )

    async def push(self, image: images.Image, *, decompress: bool, table: int, dense=False, overlap=False, **changes):
        """Put a job into the queue; returns its tag. ``changes``: fields of the job that are to be other ones."""
        self.tag = self.tag + 1 & 0xFFFF
        job = image.job() | {"decompress": int(decompress), "dense": int(dense), "overlap": int(overlap),
                             "table": table, "tag": self.tag} | changes
        for name in ("data_address", "directory_address"):
            job[name] += 0 if name in changes else self.memory.base
        flags = ("decompress", "slots", "dense", "signed", "overlap")
        await self.write("JOB_FLAGS", **{name: job[name] for name in flags})
        await self.write("JOB_FORMAT", **{name: job[name] for name in ("width", "table", "tag")})
        await self.write("JOB_BLOCK", value=job["block"])
        await self.write("JOB_SLOT_BYTES", value=job["slot_bytes"])
        await self.write("JOB_LENGTH", value=job["length"])
        for register, name in (("JOB_DATA", "data_address"), ("JOB_DIRECTORY", "directory_address")):
            await self.write(f"{register}_LO", value=job[name] & 0xFFFFFFFF)
            await self.write(f"{register}_HI", value=job[name] >> 32)
        await self.write("JOB_PUSH", push=1)
        assert not (await self.read("STATUS"))["push_refused"]
        return self.tag

    async def result(self) -> dict:
        """Wait for the oldest result, and take it."""
        while not (await self.read("RESULT_STATUS"))["valid"]:
            if not self.dut.irq.value:
                await with_timeout(RisingEdge(self.dut.irq), PATIENCE * PERIOD, "ns")
            await self.write("IRQ_STATUS", job_done=1, job_failed=1)
        result = await self.read("RESULT_STATUS")
        result |= {"block": (await self.read("RESULT_BLOCK"))["value"], "error": Error(result["error"])}
        result["stored_bytes"] = (await self.read("RESULT_STORED_LO"))["value"]
        await self.write("RESULT_POP", pop=1)
        return result

    async def finish(self, tag: int, error: Error = Error.NONE) -> dict:
        """The next result, which must be that of the job ``tag``, ended as told."""
        result = await self.result()
        assert (result["tag"], result["error"]) == (tag, error), result
        return result

    def send(self, tensor: Tensor, *, dense=False):
        """Offer a tensor on the accelerator's stream."""
        data = on_stream(tensor, P.value_bits, dense=dense)
        if not dense:  # what lies above a value in its container must not matter
            above = np.frombuffer(self.rng.randbytes(len(data)), np.dtype(f"<u{P.value_bits // 8}")).copy()
            above &= (0xFFFF << tensor.width) & ((1 << P.value_bits) - 1)
            data = (np.frombuffer(data, above.dtype) | above).tobytes()
        self.source.send_nowait(AxiStreamFrame(data))
        self.sent += -(-len(data) // (P.stream_width // 8))

    async def left_over(self) -> int:
        """Beats that have been offered and not taken, now that nobody takes any."""
        before = -1
        while before != (before := int(self.dut.s_axis_taken.value)):
            await ClockCycles(self.dut.clk, 20)
        return self.sent - before

    async def received(self) -> AxiStreamFrame:
        """The next packet on the other one."""
        return await with_timeout(self.sink.recv(compact=False), PATIENCE * PERIOD, "ns")

    async def receive(self, tensor: Tensor, *, dense=False):
        """Check the next packet: a tensor, and no error; or, if blocks come as they are ready, all their packets."""
        block, parts = tensor.table.config.block, [tensor]
        if P.order == "by id":
            starts = range(0, len(tensor.array), block)
            parts = [Tensor(tensor.array[start : start + block], tensor.table) for start in starts]
        left = dict(enumerate(parts))
        while left:
            frame = await self.received()
            assert not any(_list(frame.tuser)), "the packet ends with an error"
            number = _list(frame.tid)[0] if P.order == "by id" else 0
            assert number in left, f"block {number} once more, or one there is not"
            data = bytes(byte for byte, keep in zip(frame.tdata, frame.tkeep, strict=True) if keep)
            wanted = on_stream(left.pop(number), P.value_bits, dense=dense, extend=tensor.signed)
            assert data == wanted, _difference("value bytes", data, wanted)

    def write_expected(self, image: images.Image, tensor: Tensor) -> images.ImageInfo:
        """What a compression should do to the memory."""
        return image.write(self.expected, tensor.array)

    def accept(self, image: images.Image):
        """Whatever is now where an image lies is fine; elsewhere the memory must be as expected."""
        config, count = image.table.config, image.header.block_count
        blocks = count * max(image.slot_bytes, (config.block * config.width + 7) // 8)
        for at, size in ((image.data_address, blocks), (image.directory_address, 8 * count)):
            self.expected[at : at + size] = self.memory.bytes[at : at + size]

    def check_memory(self):
        """The memory is what it should be, to the last byte."""
        assert self.memory.bytes == self.expected, _difference("memory", self.memory.bytes, self.expected)

    async def end(self):
        """Nothing is left over, nobody has broken a rule."""
        await ClockCycles(self.dut.clk, 50)
        status = await self.read("STATUS")
        assert not (status["busy_compress"] or status["busy_decompress"] or status["results"]), status
        assert status["queue_free"] == P.queue, status
        assert self.sink.empty() and not self.dut.m_axis_tvalid.value, "values are left over"
        assert int(self.dut.reads_under_way.value) == int(self.dut.writes_under_way.value) == 0
        self.check_rules()


def _list(value) -> list:
    return list(value) if isinstance(value, list | tuple | bytearray) else [value or 0]


def _difference(what: str, seen: bytes, wanted: bytes) -> str:
    at = [i for i, (a, b) in enumerate(zip(seen, wanted, strict=False)) if a != b]
    where = f"first at {at[0]}, {len(at)} bytes in all" if at else "one is longer"
    return f"{what} differ: {len(seen)} and {len(wanted)} bytes, {where}"
