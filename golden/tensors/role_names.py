"""Roles where there is no graph: from the names in a file, and from the operators and shapes of a tensor pack.

``roles.py`` does the same from an ONNX graph; README.md documents all three heuristics.
"""

import re
from collections.abc import Callable, Iterable

from .graph import FLOAT_WEIGHTS, INTEGER_WEIGHTS

# Words of transformer libraries, names in lower case; the first match counts.
NAMES = (
    ("embedding", r"embed|\bwte\b|\bwpe\b|tok_?emb|pos_?emb"),
    ("head", r"lm_head|classifier|\bpooler\b|\bhead\b"),
    ("projection", r"\b[qkvo]_proj|\bqkv|in_proj|out_proj|c_attn|attn|attention|\b(query|key|value)\b|\bw[qkvo]\b"),
    ("feed-forward", r"mlp|ffn|feed_?forward|\bfc[12]\b|intermediate|(gate|up|down)_proj|\bw[123]\b|\boutput\.dense"),
)
ATTENTION = re.compile(r"\b[qkvo]_proj|\bqkv|in_proj|out_proj|attn|attention|\bw[qkvo]\b")  # tells a transformer
GATHERS = {"Gather", "GatherBlockQuantized", "GATHER", "EMBEDDING_LOOKUP", "EMBED", "EMBEDDING"}
PRODUCTS = {"MatMul", "BATCH_MATMUL", "Einsum"}  # that may be of two computed matrices, as attention's are
# Recurrent and convolutional layers have weights of two dimensions, too, that these rules say nothing about.
CONVOLVES = {op for op in FLOAT_WEIGHTS if op.startswith("Conv") or op in ("LSTM", "GRU", "RNN", "Gather")}
DENSE = {op for op in (*FLOAT_WEIGHTS, *INTEGER_WEIGHTS) if not op.startswith("Embed")} - CONVOLVES | {
    "FULLY_CONNECTED", "Linear"}


def name_role(name: str) -> str | None:
    """The role that a tensor's name tells, if its network is a transformer. Words end at dots, slashes and colons."""
    return next((role for role, pattern in NAMES if re.search(pattern, _plain(name))), None)


def _plain(name: str) -> str:
    return re.sub(r"[/:]", ".", name.lower())


def name_roles(names: Iterable[str]) -> Callable[[str], str | None]:
    """What tells the role of each of a network's tensors by its name.

    ``w1``, ``fc2``, ``head`` and the like are words of any network: without a name that speaks of attention there
    are only embeddings.
    """
    transformer = any(ATTENTION.search(_plain(name)) for name in names)

    def role(name: str) -> str | None:
        found = name_role(name)
        return found if transformer or found == "embedding" else None

    return role


def pack_roles(entries: list[dict]) -> list[str | None]:
    """The roles of a tensor pack's tensors, in its order, from ``name``, ``op`` and ``shape`` of each entry.

    A table that Gather reads is an embedding. The network is a transformer if a name says so, or if an activation
    is a softmax of what a product has made in the same shape of four dimensions: attention. Then, of dense layers'
    weights, square ones are projections, and so is one three times as wide as long; pairs of a shape and its
    transpose are feed-forward. Three equal dense results right before attention's product are ``qkv``, since nothing
    tells which of them is the query.
    """
    texts = [str(entry.get("name", "")) for entry in entries]
    role, weights = name_roles(texts), [entry.get("kind") == "weight" for entry in entries]
    found = [role(text) if weight else None for text, weight in zip(texts, weights, strict=True)]
    found = [known or _gathered(entry) for known, entry in zip(found, entries, strict=True)]
    scores = _scores(entries)
    if not scores and not any(ATTENTION.search(_plain(text)) for text in texts):
        return found
    shapes = {_shape(entry) for entry in entries if _dense_weight(entry)}
    for index, entry in enumerate(entries):
        if _dense_weight(entry):
            found[index] = found[index] or _by_shape(_shape(entry), shapes)
    for index in scores:
        before = entries[max(0, index - 3) : index]
        alike = {(entry.get("op") in DENSE, entry.get("input"), _shape(entry)) for entry in before}
        if len(before) == 3 and len(alike) == 1 and before[0].get("op") in DENSE:
            found[index - 3 : index] = ["qkv"] * 3
    return found


def _shape(entry: dict) -> tuple:
    return tuple(entry.get("shape") or ())


def _gathered(entry: dict) -> str | None:
    table = entry.get("kind") == "weight" and entry.get("op") in GATHERS and len(_shape(entry)) == 2
    return "embedding" if table else None


def _dense_weight(entry: dict) -> bool:
    return entry.get("kind") == "weight" and entry.get("op") in DENSE and len(_shape(entry)) == 2


def _by_shape(shape: tuple, shapes: set[tuple]) -> str | None:
    """The role of a dense weight among all of the network's shapes."""
    if shape[0] == shape[1]:
        return "projection"
    if shape[::-1] in shapes:
        return "feed-forward"
    return "projection" if max(shape) == 3 * min(shape) else None


def _scores(entries: list[dict]) -> list[int]:
    """Where the products are that a softmax turns into attention."""
    found = []
    for index, entry in enumerate(entries):
        if str(entry.get("op", "")).removeprefix("QLinear").lower() != "softmax" or len(_shape(entry)) != 4:
            continue
        for back in range(index - 1, max(-1, index - 4), -1):  # scale and mask may come between
            before = entries[back]
            if before.get("op") in PRODUCTS and _shape(before) == _shape(entry):
                found.append(back)
                break
    return found
