"""Files of named tensors without a graph (safetensors, PyTorch): which are weights, and how they are packed.

Read are tensors of 8- and 16-bit integers; the packed weights of GPTQ and AWQ (below); and, with a recipe, floats of
two or more dimensions, except those of normalization layers. Output channels are along the first axis, as in
PyTorch; embeddings get one scale.

GPTQ: ``qweight`` int32 [in*b/32, out], b bits each, along the inputs, low bits first. AWQ: ``qweight`` int32
[in, out*4/32], eight columns a word, its nibbles, low first, hold columns 0, 2, 4, 6, 1, 3, 5, 7. Both have ``scales``
[groups, out] and ``qzeros`` int32 [groups, out*b/32]. Read are b = 2, 4, 8 (AWQ: 4); three bits cross words.
"""

import os
from abc import abstractmethod

import numpy as np

from .base import Record, TensorFile, check_size, damage
from .recipe import Recipe, parts
from .role_names import name_role, name_roles

INTEGERS = {"int8": 8, "uint8": 8, "int16": 16, "uint16": 16}
FLOATS = {"float16", "bfloat16", "float32", "float64"}
AWQ_ORDER = (0, 2, 4, 6, 1, 3, 5, 7)
NORMS = ("norm", "ln_", "bn", ".ln")


class NamedTensors(TensorFile):
    """Base of the readers of such files; they give :meth:`rows` and call :meth:`sort`."""

    def __init__(self, path: str | os.PathLike, quantize: Recipe | None = None):
        super().__init__(path)
        self.recipe = quantize
        self._sources: dict[str, tuple] = {}  # key -> name in the file, how it is stored, axis

    @abstractmethod
    def rows(self, name: str):
        """A tensor of the file: ``shape``, and arrays by slices of its first axis."""

    def sort(self, entries: dict[str, tuple[str, tuple]]) -> None:
        """Make records of the file's tensors: name -> (dtype as numpy calls it, shape)."""
        self._role = name_roles(entries)
        helpers = {f"{name.removesuffix('qweight')}{part}" for name in entries if name.endswith("qweight")
                   for part in ("scales", "qzeros", "g_idx")}
        for name, (dtype, shape) in entries.items():
            values = check_size(f"tensor {name!r}", shape, INTEGERS.get(dtype, 8))
            if name in helpers:
                self.skip("scales, zero points and group indices of packed weights", values)
            elif name.endswith("qweight") and dtype == "int32":
                self._packed(name, entries)
            elif f"{name}.absmax" in entries:
                self.skip("4-bit codes of bitsandbytes, which are no integers of a scale", values)
            elif dtype in INTEGERS and values > 1:
                self._add(name, INTEGERS[dtype], shape, "plain")
            elif dtype in FLOATS:
                self._float(name, shape, values)
            else:
                self.skip(f"{dtype}: biases, indices, or types that are no integers of 2 to 16 bits", values)

    def _add(self, name: str, bits: int, shape, how: str, axis: int | None = None, **meta) -> None:
        layer = name.rpartition(".")[0] or name
        record = self.add(name, bits, shape, layer=layer, role=self._role(name), axis=axis, **meta)
        self._sources[record.key] = name, how, axis

    def _float(self, name: str, shape, values: int) -> None:
        """The record of a float tensor to be quantized, or why it is not."""
        if self.recipe is None:
            self.skip("floating point (needs --quantize)", values)
        elif not is_weight(name, shape):
            self.skip("floating point of one dimension, or of a normalization", values)
        else:
            axis = 0 if self.recipe.per_channel and name_role(name) != "embedding" else None
            self._add(name, self.recipe.bits, shape, "float", axis, quantized=str(self.recipe))

    def _packed(self, name: str, entries) -> None:
        """The record of a packed weight, its layout told by the shapes of what belongs to it."""
        stem = name.removesuffix("qweight")
        shapes = [entries.get(f"{stem}{part}", ("", ()))[1] for part in ("qweight", "scales", "qzeros")]
        weight, scales, zeros = shapes
        values = check_size(f"tensor {name!r}", weight, 32)
        if any(len(shape) != 2 for shape in shapes) or not scales[1]:
            self.skip("packed weights without scales and zero points of two dimensions", values)
            return
        bits, odd = divmod(32 * zeros[1], scales[1])
        groups = {"group": -(-weight[0] // scales[0]) if scales[0] else None}
        if not odd and bits in (2, 4, 8) and weight[1] == scales[1]:
            groups["group"] = groups["group"] and groups["group"] * 32 // bits
            self._add(name, bits, (weight[0] * 32 // bits, weight[1]), "gptq", **groups)
        elif not odd and bits == 4 and weight[1] * 8 == scales[1]:
            self._add(name, 4, (weight[0], scales[1]), "awq", **groups)
        else:
            self.skip("packed weights of another layout (GPTQ of 2, 4, 8 bits and AWQ of 4 are read)", values)

    def load(self, record: Record) -> np.ndarray:
        name, how, axis = self._sources[record.key]
        with damage(self.path, f"tensor {name!r}"):
            rows = self.rows(name)
            if how == "plain":
                return np.asarray(rows[0 : rows.shape[0]]) if rows.shape else np.asarray(rows[...])
            if how == "float":
                codes, scale, zero = self.recipe.quantize(rows, axis)
                record.meta.update(scale=scale.tolist(), zero_point=zero.tolist())
                return codes
            return unpack_words(rows, how, record.bits, tuple(record.meta["shape"]))


def is_weight(name: str, shape) -> bool:
    """Whether floats of this name and shape are weights to quantize: of two or more dimensions, no normalization's."""
    return len(shape) >= 2 and all(shape) and not any(word in name.lower() for word in NORMS)


def unpack_words(rows, how: str, bits: int, shape) -> np.ndarray:
    """The codes, uint8 in ``shape``, in the int32 words [words, out] (gptq) or [in, words] (awq) of a packed weight."""
    per, mask = 32 // bits, np.uint32((1 << bits) - 1)
    out = np.empty(shape, np.uint8)
    for part in parts(rows.shape):
        words = np.asarray(rows[part]).view(np.uint32)
        for i in range(per):
            codes = words >> np.uint32(bits * i) & mask
            if how == "gptq":
                out[part.start * per + i : part.stop * per : per] = codes
            else:
                out[part, AWQ_ORDER[i] :: per] = codes
    return out
