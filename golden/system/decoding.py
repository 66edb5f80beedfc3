"""Token by token: what a transformer does when it generates text, with its cache of keys and values in memory."""

from dataclasses import replace

from .layers import SCORES, Layer, Operand


def token_layers(layers: list[Layer], context: int, streams: int) -> tuple[list[Layer], dict[str, int]]:
    """The layers for one more token of each of ``streams`` texts, after ``context`` tokens.

    Weights are read once for all streams; keys and values of each stream's context are read, and one of each is
    written. Raises ValueError if there is no product of a vector with weights.

    Gives the layers, and notes.
    """
    found, notes = [], {}
    for layer in layers:
        made = _one(layer, context, streams)
        if made is not None:
            found.append(made)
        elif layer.kind not in ("elementwise",):
            notes[f"left out of decoding: {layer.kind}"] = notes.get(f"left out of decoding: {layer.kind}", 0) + 1
    if not any(layer.kind == "fully connected" for layer in found):
        raise ValueError("decoding takes a transformer: there is no matrix that a token's vector is multiplied with")
    return found, notes


def _one(layer: Layer, context: int, streams: int) -> Layer | None:
    if layer.kind == "fully connected" and layer.window is None:
        return replace(layer, m=streams, input=_sized(layer.input, streams * layer.k),
                       output=_sized(layer.output, streams * layer.n), extra=None)
    if layer.kind == "attention":
        groups = layer.groups * streams
        n, k = (context, layer.k) if layer.note == SCORES else (layer.n, context)
        return replace(layer, groups=groups, m=1, n=n, k=k, input=_sized(layer.input, groups * k),
                       weights=_sized(layer.weights, groups * k * n), output=_sized(layer.output, groups * n))
    if layer.kind == "lookup":
        length = layer.weights.values // max(1, layer.steps)
        return replace(layer, weights=_sized(layer.weights, streams * length), steps=streams,
                       output=_sized(layer.output, streams * length) if layer.output else None)
    return None


def _sized(operand: Operand, values: int) -> Operand:
    return replace(operand, values=values)
