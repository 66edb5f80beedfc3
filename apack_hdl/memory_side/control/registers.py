"""The registers of the memory-side block."""

from ..layouts import Error
from ..parameters import MemorySide
from .register_map import Field, Register, check_map

ADDRESS_BITS = 12  # of a byte in the map: 4 KiB, a page of its own for an operating system
VERSION = (1, 0)  # of this map: major, minor
ID = int.from_bytes(b"APCK", "little")
COUNTER_OFFSET = 0x100
DIRECTIONS = ("compress", "decompress")

# What is counted, for each direction, 64 bits each. Reading the low half takes the whole number; reading any high half
# then gives the other half of the number that was taken last.
COUNTED = {
    "values": "Values that have passed",
    "raw_bytes": "Bytes that these values have when each has as many bits as its job's `width`",
    "stored_bytes": "Bytes of the blocks in memory, without directory",
    "stall_stream": "Cycles in which the accelerator's stream held the job up",
    "stall_memory": "Cycles in which the memory held the job up",
    "stall_engines": "Cycles in which the engines held the job up",
}
COUNTERS = tuple(f"{direction}_{what}" for direction in DIRECTIONS for what in COUNTED)


def _ro(name, low, bits, meaning, **more):
    return Field(name, low, bits, "ro", meaning, **more)


def _rw(name, low, bits, meaning):
    return Field(name, low, bits, "rw", meaning)


def _whole(name, offset, access, meaning):
    """A register that is one field."""
    return Register(name, offset, meaning, (Field("value", 0, 32, access, meaning),))


def _wide(name, offset, access, meaning):
    """A number of 64 bits in two registers."""
    return (_whole(f"{name}_LO", offset, access, f"{meaning}, low half."),
            _whole(f"{name}_HI", offset + 4, access, f"{meaning}, high half."))


def _lower(text):
    return text[0].lower() + text[1:]


def _events(access):
    return (
        Field("job_done", 0, 1, access, "a job has ended well, its result is there"),
        Field("job_failed", 1, 1, access, "a job has ended with an error, its result is there"),
        Field("queue_empty", 2, 1, access, "the last job of the queue has begun or was refused by its check"),
    )


IDENTITY = (
    Register("ID", 0x000, "Which block this is.", (_ro("value", 0, 32, "ASCII `APCK`, first letter in bits 7:0"),)),
    Register("VERSION", 0x004, "Of this register map. Minor versions add registers and fields, and change none.", (
        _ro("minor", 0, 16, "minor version"), _ro("major", 16, 16, "major version"))),
    Register("ENGINES", 0x008, "What works in it.", (
        _ro("engines", 0, 8, "E, encoders, and as many decoders"),
        _ro("encoder_streams", 8, 4, "streams of an encoder"),
        _ro("decoder_streams", 12, 4, "streams of a decoder"),
        _ro("by_id", 16, 1, "decoded blocks leave as they are ready, with their number, not in order"))),
    Register("BUSES", 0x00C, "How wide its data buses are.", (
        _ro("memory", 0, 16, "bits of the AXI data bus"), _ro("stream", 16, 16, "bits of the accelerator's streams"))),
    Register("CODEC", 0x010, "The codec's parameters.", (
        _ro("width", 0, 8, "W, bits of a value at most"), _ro("rows", 8, 8, "N, rows of a table"),
        _ro("prob_bits", 16, 8, "P, counts of a table add up to 2^P"), _ro("mult_bits", 24, 8, "M"))),
    Register("BLOCK", 0x014, "Values per block.", (
        _ro("longest", 0, 20, "at most"), _ro("beat", 20, 12, "V, of which a block's length is a multiple"))),
    Register("SIZES", 0x018, "How much it can hold.", (
        _ro("queue", 0, 8, "jobs that can wait, and results that can"), _ro("tables", 8, 8, "tables"),
        _ro("address", 16, 8, "bits of an address in memory"))),
)

CONTROL = (
    Register("CONTROL", 0x020, "What it is to do.", (
        _rw("enable", 0, 1, "begin jobs; without it those under way go on, those in the queue wait"),
        Field("abort_compress", 1, 1, "w1s", "end the compression under way (nothing happens where there is none)"),
        Field("abort_decompress", 2, 1, "w1s", "end the decompression under way (likewise)"),
        Field("soft_reset", 3, 1, "w1s", "end what is under way, forget queue, results, counters and all that was "
              "written but tables"))),
    Register("STATUS", 0x024, "What it does.", (
        _ro("busy_compress", 0, 1, "a compression is under way"),
        _ro("busy_decompress", 1, 1, "a decompression is under way"),
        _ro("push_refused", 2, 1, "the last JOB_PUSH found the queue full: it did nothing"),
        _ro("row_refused", 3, 1, "the last TABLE_ROW was for no row there is, or had a value that does not fit: it did "
            "nothing"),
        _ro("queue_free", 8, 8, "jobs that can be pushed"), _ro("results", 16, 8, "results that wait"))),
    Register("IRQ_STATUS", 0x028, "What has happened. The interrupt is high while an event is set that is enabled. "
             "Clear an event first, then look at its cause: none gets lost so.", _events("w1c")),
    Register("IRQ_ENABLE", 0x02C, "Which events interrupt.", _events("rw")),
)

TABLES = (
    Register("TABLE_SELECT", 0x030, "Where the next TABLE_ROW goes.", (
        Field("row", 0, 8, "rwh", "row, 0..N-1; one more after each TABLE_ROW, behind the last one 0 again"),
        Field("table", 8, 8, "rwh", "table; one more after each last row"))),
    Register("TABLE_ROW", 0x034, "A row of a table. It is stored when the highest byte is written. All N rows must be "
             "written (FORMAT.md, 10.2), in any order, while no job that uses the table waits for it: a job copies "
             "its table into the engines when it begins.", (
        _rw("v_min", 0, 16, "first value of the row"), _rw("count", 16, 16, "its probability count")), strobe=True),
)

JOB = (
    Register("JOB_FLAGS", 0x040, "The next job: kind.", (
        _rw("decompress", 0, 1, "memory to stream, else stream to memory"),
        _rw("slots", 1, 1, "layout with slots, else packed"),
        _rw("dense", 2, 1, "values on the stream have `width` bits each, without gaps; else 8 bits, or 16 if W > 8"),
        _rw("signed", 3, 1, "extend the sign of values that are narrower than their place on the stream; else zeros"),
        _rw("overlap", 4, 1, "may begin while a job of the other direction is under way"))),
    Register("JOB_FORMAT", 0x044, "The next job: table and width.", (
        _rw("width", 0, 8, "bits of a value, 2..W"), _rw("table", 8, 8, "number of its table"),
        _rw("tag", 16, 16, "software's own, comes back with the result"))),
    Register("JOB_BLOCK", 0x048, "The next job: values per block.", (
        _rw("value", 0, 20, "1 to BLOCK.longest; a multiple of BLOCK.beat unless `length` is no more"),)),
    Register("JOB_SLOT_BYTES", 0x04C, "The next job: distance of slots.", (
        _rw("value", 0, 24, "bytes, room for a raw block; of no meaning with the packed layout"),)),
    _whole("JOB_LENGTH", 0x050, "rw", "The next job: values of the tensor, 1 or more."),
    *_wide("JOB_DATA", 0x058, "rw", "The next job: address of the blocks, in bytes"),
    *_wide("JOB_DIRECTORY", 0x060, "rw", "The next job: address of the directory, a multiple of 8"),
    Register("JOB_PUSH", 0x068, "Puts the next job, as the JOB registers say, at the end of the queue. They keep "
             "their values. Fields are checked when the job's turn has come; a bad one gives a result with an error.",
             (Field("push", 0, 1, "wo", "put it there"),)),
)

RESULT = (
    Register("RESULT_STATUS", 0x070, "The oldest result. There is one for each job that was pushed, in the order in "
             "which they ended.", (
        _ro("valid", 0, 1, "there is one; else this and the others are 0"), _ro("decompress", 1, 1, "as in the job"),
        _ro("error", 4, 4, "how it ended", values=tuple((error.name, error.value) for error in Error)),
        _ro("tag", 16, 16, "as in the job"))),
    Register("RESULT_BLOCK", 0x074, "The oldest result: the block that the error is about (INTEGRATION.md, Errors).", (
        _ro("value", 0, 32, "number of the block"),)),
    *_wide("RESULT_STORED", 0x078, "ro", "The oldest result: bytes of the blocks written or read, without directory"),
    Register("RESULT_POP", 0x080, "Lets the next result come.", (Field("pop", 0, 1, "wo", "drop the oldest result"),)),
    Register("COUNTERS_CLEAR", 0x084, "Sets counters to 0.", (
        Field("clear", 0, len(COUNTERS), "wo", "a bit for each counter, in the order of their addresses"),)),
)

REGISTER_FILE = check_map(IDENTITY + CONTROL + TABLES + JOB + RESULT, COUNTER_OFFSET)

COUNTER_REGISTERS = sum((
    _wide(name.upper(), COUNTER_OFFSET + 8 * number, "ro",
          f"{name.partition('_')[0].capitalize()}ion: {_lower(COUNTED[name.partition('_')[2]])}")
    for number, name in enumerate(COUNTERS)
), ())

REGISTERS = check_map(REGISTER_FILE + COUNTER_REGISTERS, 1 << ADDRESS_BITS)


def identity(p: MemorySide) -> dict[str, int]:
    """What the registers of a block built with ``p`` say about it, by ``register_field``."""
    cfg = p.codec
    return {
        "id_value": ID, "version_major": VERSION[0], "version_minor": VERSION[1],
        "engines_engines": p.engines, "engines_encoder_streams": p.encoder_lanes,
        "engines_decoder_streams": p.decoder_lanes, "engines_by_id": int(p.order == "by id"),
        "buses_memory": p.data_width, "buses_stream": p.stream_width,
        "codec_width": cfg.width, "codec_rows": cfg.rows, "codec_prob_bits": cfg.prob_bits,
        "codec_mult_bits": cfg.mult_bits, "block_longest": cfg.block, "block_beat": p.beat_values,
        "sizes_queue": p.queue, "sizes_tables": p.tables, "sizes_address": p.address_width,
    }
