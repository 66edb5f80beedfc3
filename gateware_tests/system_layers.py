"""Layers and tensors for tests of the machine model."""

import numpy as np

from golden.sample import PATH as SAMPLE
from golden.system.derive import derive
from golden.system.layers import Layer, Operand, Window
from golden.system.tensors import Tensor, tensors_of
from golden.tensors import open_model


def operands(inputs, weights, outputs, width=8):
    """Input, weights and output of so many values, named in, w and out."""
    return {
        "input": Operand("in", inputs, width, "activations"), "weights": Operand("w", weights, width, "weights"),
        "output": Operand("out", outputs, width, "activations"),
    }


def product_layer(m, n, k, groups=1):
    """Groups of products of an m by k with a k by n matrix."""
    return Layer("l", "fully connected", groups, m, n, k, **operands(groups * m * k, groups * n * k, groups * m * n))


def convolution(side, channels, outputs, kernel, stride, images=1):
    """A convolution of square pictures, padded by half a kernel."""
    out = (side + 2 * (kernel // 2) - kernel) // stride + 1
    window = Window(images, side, side, out, out, kernel, kernel, stride, stride)
    sizes = images * side * side * channels, channels * outputs * kernel * kernel, images * out * out * outputs
    return Layer("c", "convolution", 1, images * out * out, outputs, channels * kernel * kernel, window,
                 **operands(*sizes))


LAYERS = [convolution(28, 16, 32, 3, 1), convolution(28, 32, 64, 3, 2), product_layer(1, 1000, 512),
          product_layer(64, 64, 32, 4)]


def activation(name, op, shape, width=8):
    """An activation, whole."""
    return Tensor(f"activation {name}", name, "activation", op, tuple(shape), width, int(np.prod(shape)))


def weights(name, op, shape):
    """A weight tensor of 8 bits."""
    return Tensor(f"weights {name}", name, "weight", op, tuple(shape), 8, int(np.prod(shape)))


def layers_of_sample():
    """The sample's layers, and notes."""
    with open_model(SAMPLE) as pack:
        sizes = {r.key: {"whole_values": r.meta["n_total"], "width": r.bits} for r in pack.records}
        return derive(*tensors_of(pack.records, sizes), 1 << 18)
