"""Token by token: what a transformer does when it generates text, with its cache of keys and values in memory."""

import re
from collections import Counter
from dataclasses import replace

from .layers import SCORES, Layer, Operand

KEYS, VALUES = (re.compile(rf"(^|[._/])({words})([._/]|$)") for words in ("k_proj|key|wk", "v_proj|value|wv"))
CACHE_WIDTH = 8  # bits of keys and values that are nowhere to be seen


def token_layers(layers: list[Layer], context: int, streams: int) -> tuple[list[Layer], dict[str, int]]:
    """The layers for one more token of each of ``streams`` texts, after ``context`` tokens; and notes.

    Weights are read once for all streams; each stream reads the keys and values of its context. Where no products of
    activations are known, but weights that by their names make keys and values, the cache is as wide as these.

    Raises ValueError if there is no product of a vector with weights.
    """
    notes, found = Counter(), []
    attention = any(layer.kind == "attention" for layer in layers)
    for layer in layers:
        made = _one(layer, context, streams)
        if made is None:
            notes[f"left out of decoding: {layer.kind}"] += 1
            continue
        found.append(made)
        if not attention and (KEYS.search(layer.name) or VALUES.search(layer.name)):
            found.append(_cache(layer, context, streams))
            notes[f"keys and values by name: {CACHE_WIDTH} bits, of unknown ratio"] += 1
    if not any(layer.kind == "fully connected" for layer in found):
        raise ValueError("decoding takes a transformer: there is no matrix that a token's vector is multiplied with")
    return found, dict(notes)


def _one(layer: Layer, context: int, streams: int) -> Layer | None:
    """The layer for one more token; None if it has no part in that, or none that counts."""
    if layer.kind == "fully connected":
        return replace(layer, m=streams, input=replace(layer.input, values=streams * layer.k),
                       output=replace(layer.output, values=streams * layer.n), extra=None)
    if layer.kind == "weights only" and layer.n:
        source, out = (Operand(None, streams * size, CACHE_WIDTH, "activations") for size in (layer.k, layer.n))
        return replace(layer, kind="fully connected", m=streams, input=source, output=out)
    if layer.kind == "attention":
        n, k = (context, layer.k) if layer.note == SCORES else (layer.n, context)
        groups = layer.groups * streams
        return replace(layer, groups=groups, m=1, n=n, k=k, input=replace(layer.input, values=groups * k),
                       weights=replace(layer.weights, values=groups * k * n),
                       output=replace(layer.output, values=groups * n))
    if layer.kind == "lookup":
        length = layer.weights.values // max(1, layer.steps)
        out = replace(layer.output, values=streams * length) if layer.output else None
        return replace(layer, weights=replace(layer.weights, values=streams * length), steps=streams, output=out)
    return None


def _cache(layer: Layer, context: int, streams: int) -> Layer:
    """The product with the cached rows that these weights made: one head, as wide as all of them."""
    keys = bool(KEYS.search(layer.name))
    n, k = (context, layer.n) if keys else (layer.n, context)
    source, cache, out = (Operand(None, streams * size, CACHE_WIDTH, "activations") for size in (k, n * k, n))
    return Layer(f"{layer.name}, cache", "attention", streams, 1, n, k, None, source, cache, out,
                 note=SCORES if keys else "")
