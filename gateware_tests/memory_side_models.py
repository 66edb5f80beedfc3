"""Payloads of the memory-side block's streams, made from blocks and bytes. Knows no HDL but the parameters."""

import random
from collections.abc import Sequence


def beats(p, block: Sequence[int], junk: random.Random | None = None) -> list[dict]:
    """A block of codes as beats; with ``junk``, the values behind its end are anything, not zeros."""
    V, result = p.beat_values, []
    for start in range(0, len(block), V):
        codes = list(block[start : start + V])
        behind = [junk.getrandbits(p.codec.width) if junk else 0 for _ in range(V - len(codes))]
        result.append({"values": codes + behind, "count": len(codes), "last": int(start + V >= len(block))})
    return result


def chunks(p, stream: bytes) -> list[dict]:
    """A stream's bytes as chunks of the memory's bus; an empty one has a chunk of none."""
    size, result = p.data_bytes, []
    for start in range(0, max(1, len(stream)), size):
        part = stream[start : start + size]
        end = int(start + size >= len(stream))
        result.append({"data": int.from_bytes(part, "little"), "bytes": len(part), "last": end})
    return result


def stored_rows(p, *streams: bytes) -> int:
    """Rows of an encoder's memory that streams take: each begins with one, also an empty one."""
    return sum(max(1, -(-len(stream) // p.data_bytes)) for stream in streams)
