"""What the block goes through: tests for cocotb, each from reset on, with the share of stalls that SETTINGS say."""

import zlib

import cocotb
from cocotb.triggers import ClockCycles

from apack_hdl.memory_side.control.registers import identity
from apack_hdl.memory_side.layouts import Error
from golden.memory import LAYOUTS

from . import tensors
from .bench import REGISTER, SETTINGS, Bench, P

BLOCKS = [b for b in (2, 3, 5, 8) if b * P.beat_values <= P.codec.block] or [P.codec.block // P.beat_values]


async def begin(dut, seed: int) -> Bench:
    """A bench that is ready, with stalls."""
    bench = Bench(dut, seed)
    await bench.start()
    if SETTINGS.get("stall"):
        bench.stall(SETTINGS["stall"])
    return bench


def any_tensor(bench: Bench, values: int | None = None) -> tensors.Tensor:
    """Of any width and block length that the block can take."""
    width = bench.rng.randint(2, P.codec.width) if P.codec.rows > 2 else P.codec.width
    block = P.beat_values * bench.rng.choice(BLOCKS)
    values = values or bench.rng.randint(1, 6 * block)
    return tensors.made(P.codec, bench.numpy_rng, width=width, values=values, block=block)


async def compress(bench: Bench, tensor, image, **job):
    """One job from stream to memory; returns its result."""
    info = bench.write_expected(image, tensor)
    bench.send(tensor, dense=job.get("dense", False))
    result = await bench.finish(await bench.push(image, decompress=False, **job))
    assert result["stored_bytes"] == info.stored_bytes and not result["decompress"]
    return result


async def decompress(bench: Bench, tensor, image, **job):
    """One job from memory to stream; returns its result."""
    tag = await bench.push(image, decompress=True, **job)
    await bench.receive(tensor, dense=job.get("dense", False))
    result = await bench.finish(tag)
    assert result["decompress"]
    return result


@cocotb.test()
async def registers(dut):
    """The block says what it is; what cannot be accessed answers with an error."""
    bench = await begin(dut, 1)
    for name, value in identity(P).items():
        register = max((r for r in REGISTER if name.startswith(f"{r.lower()}_")), key=len)
        field = name.removeprefix(f"{register.lower()}_")
        assert (await bench.read(register))[field] == value, name
    unused = max(register.offset for register in REGISTER.values()) + 4
    assert (await bench.axil.read(unused, 4)).resp == 2
    await bench.end()


@cocotb.test()
async def real_tensors(dut):
    """Tensors of a real network into memory, in both layouts, and out of it."""
    bench = await begin(dut, 2)
    block = P.codec.block // P.beat_values * P.beat_values
    at, before = 0, {"values": 0, "stored": 0}
    values = SETTINGS.get("values", 2000)
    for number, (kind, layout) in enumerate((kind, layout) for kind in ("weight", "activation") for layout in LAYOUTS):
        tensor = tensors.real(P.codec, kind, values=values, block=block, rank=number)
        await bench.load_table(number % P.tables, tensor.table)
        image = bench.place(tensor, layout, at + bench.rng.randrange(64))
        at = image.directory_address + 8 * -(-values // block)
        stored = (await compress(bench, tensor, image, table=number % P.tables))["stored_bytes"]
        bench.check_memory()
        assert (await decompress(bench, tensor, image, table=number % P.tables))["stored_bytes"] == stored
        before["values"] += len(tensor.array)
        before["stored"] += stored
        counters = await bench.counters()
        for direction in ("compress", "decompress"):
            assert counters[f"{direction}_values"] == before["values"]
            assert counters[f"{direction}_raw_bytes"] == before["values"] * tensor.width // 8
            assert counters[f"{direction}_stored_bytes"] == before["stored"]
    await bench.end()


@cocotb.test()
async def shapes(dut):
    """All sorts of tensors: widths, lengths, blocks, dense or not, coded and raw blocks, values without a code."""
    bench = await begin(dut, 3)
    for number in range(SETTINGS.get("shapes", 10)):
        tensor, layout, table = any_tensor(bench), bench.rng.choice(LAYOUTS), bench.rng.randrange(P.tables)
        dense = bench.rng.random() < 0.5
        await bench.load_table(table, tensor.table)
        image = bench.place(tensor, layout, bench.rng.randrange(1 << 16))
        cocotb.log.info("%d: %s", number, image)
        await compress(bench, tensor, image, table=table, dense=dense)
        bench.check_memory()
        await decompress(bench, tensor, image, table=table, dense=not dense)
    await bench.end()


@cocotb.test()
async def short_blocks(dut):
    """Blocks of a few bytes: their directory is what the memory is busy with."""
    bench = await begin(dut, 12)
    for layout in LAYOUTS:
        for beats in (1, 2):
            block = min(beats * P.beat_values, BLOCKS[0] * P.beat_values)
            tensor = tensors.made(P.codec, bench.numpy_rng, width=P.codec.width, values=60 * block - 1, block=block)
            await bench.load_table(0, tensor.table)
            image = bench.place(tensor, layout, bench.rng.randrange(64))
            await compress(bench, tensor, image, table=0)
            bench.check_memory()
            await decompress(bench, tensor, image, table=0)
    await bench.end()


@cocotb.test()
async def queue(dut):
    """Jobs in both directions back to back; tables are written while jobs are under way."""
    bench = await begin(dut, 4)
    known, at = [], 0
    for round_ in range(SETTINGS.get("rounds", 3)):
        tags, arriving, fresh = [], [], []
        for job in range(P.queue):
            table = (round_ * P.queue + job) % P.tables
            new = not known or bench.rng.random() < 0.5
            if new:
                tensor = any_tensor(bench)
                image = bench.place(tensor, bench.rng.choice(LAYOUTS), at)
                at = image.directory_address + 8 * (-(-len(tensor.array) // tensor.table.config.block) + 3)
                bench.write_expected(image, tensor)
                bench.send(tensor)
                fresh.append((tensor, image))
            else:
                tensor, image = bench.rng.choice(known)
                arriving.append(tensor)
            while len(tags) >= P.tables:  # the table that comes next is in use
                await bench.finish(tags.pop(0))
            await bench.load_table(table, tensor.table)
            tags.append(await bench.push(image, decompress=not new, table=table, overlap=False))
        for tag in tags:
            await bench.finish(tag)
        for tensor in arriving:
            await bench.receive(tensor)
        bench.check_memory()
        known += fresh
    await bench.end()


@cocotb.test()
async def both_at_once(dut):
    """A compression and a decompression under way together, again and again; results come as they are ready."""
    bench = await begin(dut, 5)
    old, at = None, 0
    for round_ in range(SETTINGS.get("rounds", 3)):
        tensor = any_tensor(bench)
        image = bench.place(tensor, bench.rng.choice(LAYOUTS), at)
        at = image.directory_address + 8 * (-(-len(tensor.array) // tensor.table.config.block) + 3)
        bench.write_expected(image, tensor)
        bench.send(tensor)
        await bench.load_table(round_ % P.tables, tensor.table)
        tags = {await bench.push(image, decompress=False, table=round_ % P.tables, overlap=True)}
        if old and P.tables > 1:
            tags.add(await bench.push(old[1], decompress=True, table=(round_ - 1) % P.tables, overlap=True))
            await bench.receive(old[0])
        while tags:
            result = await bench.result()
            assert result["error"] == Error.NONE and result["tag"] in tags, result
            tags.remove(result["tag"])
        bench.check_memory()
        old = tensor, image
    await bench.end()


@cocotb.test()
async def bad_descriptors(dut):
    """Jobs that cannot be: each has its result, the next one runs."""
    bench = await begin(dut, 6)
    tensor = any_tensor(bench, 3 * P.beat_values)
    await bench.load_table(0, tensor.table)
    image = bench.place(tensor, "slots", 128)
    wrong = [
        {"width": 1}, {"width": P.codec.width + 1}, {"length": 0}, {"block": 0}, {"block": P.codec.block + 1},
        {"slot_bytes": (image.job()["block"] * tensor.width + 7) // 8 - 1}, {"table": P.tables},
        {"directory_address": bench.memory.base + image.directory_address + 4},
    ]
    wrong += [{"block": 1}] * (P.beat_values > 1)
    wrong += [{"data_address": 1 << P.address_width}] * (P.address_width < 64)
    for changes in wrong:
        for decompress_ in (False, True):
            tag = await bench.push(image, decompress=decompress_, **{"table": 0} | changes)
            await bench.finish(tag, Error.DESCRIPTOR)
    await compress(bench, tensor, image, table=0)
    bench.check_memory()
    await bench.end()


async def flush(bench: Bench, tensor):
    """What a job left of its packet are the values of another one, which must find them all."""
    left = await bench.left_over()
    if left:
        beats = -(-len(tensor.array) // P.beat_values)
        rest = tensors.Tensor(tensor.array[(beats - left) * P.beat_values :], tensor.table)
        image = bench.place(rest, "packed", 3 << 18)
        bench.write_expected(image, rest)
        await bench.finish(await bench.push(image, decompress=False, table=0))
        bench.check_memory()


async def drain(bench: Bench, tensor, failed: bool):
    """Packets of a job that was ended: the last one says so, unless all values had left."""
    await ClockCycles(bench.dut.clk, 20)
    values, user = 0, [0]
    while not bench.sink.empty():
        frame = await bench.received()
        user = frame.tuser if isinstance(frame.tuser, list) else [frame.tuser or 0]
        values += sum(frame.tkeep) * 8 // P.value_bits
    assert user[-1] == failed or values == len(tensor.array), (user, values)


@cocotb.test()
async def broken_memory(dut):
    """The memory answers with errors: the job ends with one, its ports stay legal, the next job runs."""
    bench = await begin(dut, 7)
    tensor = any_tensor(bench, 5 * BLOCKS[0] * P.beat_values)
    await bench.load_table(0, tensor.table)
    image = bench.place(tensor, bench.rng.choice(LAYOUTS), 4000)
    stored = (await compress(bench, tensor, image, table=0))["stored_bytes"]
    middle = image.slot_bytes or stored // 2  # the second slot, or a byte in the middle
    for address in (4000, 4000 + middle, image.directory_address):
        bench.memory.broken["read"] = [(address, address + 1)]
        tag = await bench.push(image, decompress=True, table=0)
        await bench.finish(tag, Error.READ)
        await drain(bench, tensor, True)
        bench.memory.broken["read"] = []
        await decompress(bench, tensor, image, table=0)
    for address in (4000, image.directory_address):
        bench.memory.broken["write"] = [(address, address + 1)]
        bench.send(tensor)
        tag = await bench.push(image, decompress=False, table=0)
        await bench.finish(tag, Error.WRITE)
        bench.memory.broken["write"] = []
        bench.accept(image)
        await flush(bench, tensor)
        await compress(bench, tensor, image, table=0)
        bench.check_memory()
    await bench.end()


@cocotb.test()
async def corrupt_memory(dut):
    """Bytes change in memory: the block is found, the next job runs."""
    bench = await begin(dut, 8)
    tensor = any_tensor(bench, 5 * BLOCKS[0] * P.beat_values)
    await bench.load_table(0, tensor.table)
    image = bench.place(tensor, bench.rng.choice(LAYOUTS), 100)
    await compress(bench, tensor, image, table=0)
    good = bytes(bench.memory.bytes)
    entries = image.entries(good)
    sizes = [int(entry["symbol_bytes"]) + int(entry["offset_bytes"]) for entry in entries]
    for number in range(SETTINGS.get("corruptions", 8)):
        block = bench.rng.randrange(len(entries))
        symbols, offsets = (int(entries[block][name]) for name in ("symbol_bytes", "offset_bytes"))
        entry = image.directory_address + 8 * block
        at = image.data_address + (block * image.slot_bytes or sum(sizes[:block]))
        kind = number % 5
        if kind == 0:  # a stored byte
            bench.memory.bytes[at + bench.rng.randrange(symbols + offsets)] ^= 1 << bench.rng.randrange(8)
            errors = Error.CHECKSUM, Error.STREAM
        elif kind == 1:  # the checksum itself
            bench.memory.bytes[entry + 4 + bench.rng.randrange(4)] ^= 1 << bench.rng.randrange(8)
            errors = (Error.CHECKSUM,)
        elif kind == 2:  # sizes that no block has
            bench.memory.bytes[entry : entry + 4] = b"\xff\xff\xff\xff"
            errors = (Error.DIRECTORY,)
        elif kind == 4:  # both in a row: the first one counts
            block = min(block, len(entries) - 2)
            entry = image.directory_address + 8 * block
            bench.memory.bytes[entry + 4] ^= 1
            bench.memory.bytes[entry + 8 : entry + 12] = b"\xff\xff\xff\xff"
            errors = (Error.CHECKSUM,)
        else:  # a stream too short, with the right checksum
            if symbols < 2 or image.layout == "packed":
                continue
            new = bytes(bench.memory.bytes[at + 1 : at + symbols + offsets])
            bench.memory.bytes[at : at + len(new)] = new
            bench.memory.bytes[entry : entry + 8] = (
                (symbols - 1).to_bytes(2, "little") + offsets.to_bytes(2, "little")
                + zlib.crc32(new).to_bytes(4, "little"))
            errors = (Error.STREAM,)
        tag = await bench.push(image, decompress=True, table=0)
        result = await bench.result()
        assert result["tag"] == tag and result["error"] in errors and result["block"] == block, (kind, block, result)
        await drain(bench, tensor, True)
        bench.memory.bytes[:] = good
        await decompress(bench, tensor, image, table=0)
    await bench.end()


@cocotb.test()
async def short_packet(dut):
    """The accelerator ends its packet too early: the job says so, the next one gets its own packet."""
    bench = await begin(dut, 9)
    for number in range(3):
        tensor = any_tensor(bench, 6 * P.beat_values)
        await bench.load_table(0, tensor.table)
        image = bench.place(tensor, "packed", 200)
        bench.send(tensors.Tensor(tensor.array[: (number + 1) * P.beat_values], tensor.table))
        tag = await bench.push(image, decompress=False, table=0)
        await bench.finish(tag, Error.PACKET)
        bench.accept(image)
        await compress(bench, tensor, image, table=0)
        bench.check_memory()
    await bench.end()


@cocotb.test()
async def aborts(dut):
    """Jobs are ended at any moment: ports stay legal, what follows is right."""
    bench = await begin(dut, 10)
    ended = 0
    for number in range(SETTINGS.get("aborts", 8)):
        tensor, layout = any_tensor(bench, 6 * BLOCKS[-1] * P.beat_values), bench.rng.choice(LAYOUTS)
        await bench.load_table(0, tensor.table)
        image = bench.place(tensor, layout, bench.rng.randrange(1 << 12))
        down = number % 2 == 1
        if down:
            await compress(bench, tensor, image, table=0)
        else:
            bench.send(tensor)
        tag = await bench.push(image, decompress=down, table=0)
        await ClockCycles(dut.clk, bench.rng.randrange(1, 40 + len(tensor.array) // P.engines))
        await bench.write("CONTROL", enable=1, **{f"abort_{'de' * down}compress": 1})
        result = await bench.result()
        assert result["tag"] == tag and result["error"] in (Error.NONE, Error.ABORTED), result
        ended += result["error"] == Error.ABORTED
        if down:
            await drain(bench, tensor, result["error"] == Error.ABORTED)
        if not down:
            bench.accept(image)
            await flush(bench, tensor)
        await compress(bench, tensor, image, table=0)
        bench.check_memory()
        await decompress(bench, tensor, image, table=0)
    cocotb.log.info("%d of %d ended early", ended, number + 1)
    assert ended
    await bench.end()


@cocotb.test()
async def soft_resets(dut):
    """A soft reset at any moment, with jobs in both directions under way and more in the queue."""
    await interrupted(await begin(dut, 11), soft=True)


@cocotb.test()
async def hard_resets(dut):
    """``rst`` likewise: nothing is finished, all is forgotten, what follows is right."""
    await interrupted(await begin(dut, 13), soft=False)


async def interrupted(bench: Bench, *, soft: bool):
    """Jobs under way in both directions and more in the queue, and a reset; then the same tensor there and back."""
    for _ in range(SETTINGS.get("resets", 5)):
        tensor, old = (any_tensor(bench, 6 * BLOCKS[-1] * P.beat_values) for _ in range(2))
        image, old_image = bench.place(tensor, "packed", 0), bench.place(old, "slots", 1 << 18)
        await bench.load_table(0, old.table)
        await compress(bench, old, old_image, table=0)
        if P.tables == 1:
            old, old_image = None, None
        await bench.load_table(P.tables - 1, tensor.table)
        bench.send(tensor)
        for decompress_ in (False, True) if old else (False,):
            which, table = (old_image, 0) if decompress_ else (image, P.tables - 1)
            await bench.push(which, decompress=decompress_, table=table, overlap=True)
        await bench.push(image, decompress=True, table=P.tables - 1)
        await ClockCycles(bench.dut.clk, bench.rng.randrange(1, 20 + 8 * len(tensor.array) // P.engines))
        if soft:
            await bench.write("CONTROL", enable=1, soft_reset=1)
            while (await bench.read("CONTROL"))["soft_reset"]:
                pass
            assert not (await bench.read("CONTROL"))["enable"]
        else:
            await bench.reset()
        assert not (await bench.read("RESULT_STATUS"))["valid"]
        assert not any((await bench.counters()).values())
        await ClockCycles(bench.dut.clk, 20)
        while not bench.sink.empty():
            await bench.received()
        bench.accept(image)
        await bench.enable()
        await bench.load_table(0, tensor.table)
        if soft:  # values that were offered still are
            await flush(bench, tensor)
        await compress(bench, tensor, image, table=0)
        bench.check_memory()
        await decompress(bench, tensor, image, table=0)
    await bench.end()
