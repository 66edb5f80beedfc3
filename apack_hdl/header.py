"""The comment that an emitted file begins with: what it is, its ports, and how it behaves."""

import textwrap
from string import Template

from .ports import OFFERS, Port

HEADER = Template("""\
// $name: $what
//
// Written by $generator.
// SPDX-License-Identifier: Apache-2.0
//
// Configuration: $config
// Engine: $options
//
$ports
//
// A transfer takes place at every rising edge of clk at which valid and ready are both 1. What is offered stays as it
// is until it is taken, and an offer never waits for ready.
//
$behaviour
//
// No register has a start value: rst must be 1 at one rising edge of clk, at least, before anything else.
""")
WHAT = {
    "encoder": "encoder of APack, lossless compression of fixed-point tensors",
    "decoder": "decoder of APack, lossless compression of fixed-point tensors",
}
STREAMS = """\
N is the number of a stream, 0..$last_stream: $streams independent streams take turns in the engine, each with ports of
its own, for one value per cycle together. Each begins and ends its blocks for itself, and none waits for another:
neither for one that has nothing to do nor for one whose outputs are not taken. What they share is the table: loading
waits for every stream that uses it, and new blocks wait for loading."""
ONE_TABLE = """\
load takes $rows transfers, first row first; a table of fewer rows has empty rows (v_min 0, count 0) in front. A table
is taken while no block is in progress; none begins while a table is offered or half loaded, or before a first one
is loaded. The counts must add up, and v_min must start at 0 and never fall: with another table nothing hangs, but
the data mean nothing."""
TWO_TABLES = """\
load takes $rows transfers, first row first; a table of fewer rows has empty rows (v_min 0, count 0) in front. It goes
to the bank that its first row names. It is taken while no block of that bank is in progress; none of that bank begins
while a table for it is offered or half loaded, or before a first one is loaded. Blocks of the other bank go on. The
counts must add up, and v_min must start at 0 and never fall: with another table nothing hangs, but the data mean
nothing."""
TURNS = """\
A stream has a turn every $streams cycles, in which it can give one value; """
ENCODER = """\
${N_values}_last ends a block of 1..$block values. Every block gives one symbol stream and one offset stream, each up
to a word with last; an empty offset stream is one word with bytes = 0. Both must be taken. A value that has no code
does not stop its block: the last word of its symbol stream carries error."""
ENCODER_TIMING = """\
a block of n values takes n + $block_cycles $cycles. Ports that are not registered: ${N_values}_ready depends on
${N_symbols}_ready$and_load ${N_offsets}_ready. When one of a stream's outputs is not taken, the other stops within a
few words."""
RAW_FROM_ENCODER = """\
Blocks that would not become shorter are stored raw in files (FORMAT.md): that choice, and raw blocks themselves, are
the surrounding system's."""
DECODER = """\
Every order in $N_blocks gives count_m1 + 1 values, whatever the streams hold: past the end of a stream there are zeros,
what is left over is read and dropped up to the word with last. Both streams need a word with last for every block
(for an empty offset stream, one word with bytes = 0). The block's report is offered when both are read to the end; it
must be taken before the next block ends."""
DECODER_TIMING = """\
a block of n values takes n + $block_cycles $cycles. Ports that are not registered: ${N_symbols}_ready and
${N_offsets}_ready depend on what both offer$and_values, ${N_blocks}_ready on what load and $N_blocks offer and on
${N_report}_ready."""
BOTH_AT_ONCE = """\
The two streams of a block must be offered independently of each other: a source that delivers the symbol stream whole
before the offset stream, or the other way round, needs a buffer for it, or both wait for ever."""
RAW_TO_DECODER = """\
Raw blocks (FORMAT.md) are not for this decoder: their values are the stream."""


def header(name: str, direction: str, component, options: dict, ports: list[Port], versions: dict[str, str]) -> str:
    """The comment, and an empty line behind it. ``options``: what the engine was built with; ``versions`` of the
    packages that wrote it, the generator first."""
    generator, *tools = (f"{package} {number}" for package, number in versions.items())
    shown = [port for port in ports if not port.stream]  # the first of an array stands for all
    width = max(len(port.pattern) for port in shown)
    table = [f"{'port':<{width}}  {'':<6}  bits"]
    table += [f"{port.pattern:<{width}}  {port.direction:<6}  {port.bits:>4}  {port.note}" for port in shown]
    return HEADER.substitute(
        name=name,
        what=WHAT[direction],
        generator=f"{generator} ({', '.join(tools)})",
        config=_list(component.config.to_dict()),
        options=_list(options),
        ports=_comment("\n".join(table)),
        behaviour=_comment(_behaviour(direction, component, options)),
    ) + "\n"


def _behaviour(direction: str, component, options: dict) -> str:
    streams = options["streams"]
    several = streams > 1
    loading = TWO_TABLES if options["banks"] == 2 else ONE_TABLE
    own, timing, end = ENCODER, ENCODER_TIMING, [RAW_FROM_ENCODER]
    if direction == "decoder":
        own, timing, end = DECODER, DECODER_TIMING, [BOTH_AT_ONCE, RAW_TO_DECODER]
    facts = component.config.to_dict() | options | {
        "block_cycles": component.BLOCK_CYCLES,
        "cycles": "of them" if several else "cycles",
        "last_stream": streams - 1,
        "and_load": " and" if several else ", load_valid and",
        "and_values": "" if several else ", on what load and blocks offer, on values_ready and on report_ready",
    }
    facts |= {f"N_{kind}": f"{kind}_N" if several else kind for kind in OFFERS}
    timing = TURNS + timing if several else timing[0].upper() + timing[1:]
    paragraphs = [STREAMS] * several + [loading, own, timing, *end]
    return "\n\n".join(textwrap.fill(Template(text).substitute(facts), 117) for text in paragraphs)


def _list(facts: dict) -> str:
    return ", ".join(f"{key} {value}" for key, value in facts.items())


def _comment(text: str) -> str:
    return "\n".join(f"// {line}".rstrip() for line in text.splitlines())
