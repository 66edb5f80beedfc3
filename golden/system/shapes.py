"""What shapes of tensors mean: channels, pictures, kernels; layouts are those that make sense of the whole model."""

from dataclasses import dataclass

DEPTHWISE = {"DEPTHWISE_CONV_2D"}
TRANSPOSED = {"ConvTranspose", "TRANSPOSE_CONV"}
CONVOLUTIONS = {"CONV_2D", "Conv", "QLinearConv", "ConvInteger", "FusedConv", "NhwcConv"} | DEPTHWISE | TRANSPOSED
RECURRENT = {"LSTM", "GRU", "RNN", "UNIDIRECTIONAL_SEQUENCE_LSTM", "BIDIRECTIONAL_SEQUENCE_LSTM", "DynamicQuantizeLSTM"}
LOOKUPS = {"Gather", "EMBED", "GatherBlockQuantized", "EMBEDDING_LOOKUP", "GATHER", "Embedding"}
PRODUCTS = {"MatMul", "QLinearMatMul", "MatMulInteger", "BATCH_MATMUL", "MatMulIntegerToFloat", "Einsum"}
DENSE = {"FULLY_CONNECTED", "FC", "Gemm", "QGemm", "MatMulNBits", "DynamicQuantizeMatMul", "Linear"} | PRODUCTS
# What may be fused behind a product, so that only its result is there.
POINTWISE = {
    "Relu", "Relu6", "Clip", "LeakyRelu", "PRelu", "HardSwish", "HardSigmoid", "Sigmoid", "Div", "Mul", "Add", "Sum",
    "Gelu", "Tanh", "LOGISTIC", "RELU", "RELU6", "HARD_SWISH", "MUL", "ADD", "Softplus", "Erf", "BatchNormalization",
}
MAGNITUDES = {"Sqrt", "SQRT", "Abs", "ABS", "ComplexAbs", "COMPLEX_ABS"}  # of real and imaginary parts in channels
IN_PLACE = {"Concat", "CONCATENATION", "Reshape", "RESHAPE", "Flatten", "INPUT", "Identity", "Split", "SPLIT"}


@dataclass(frozen=True)
class Image:
    """Sizes of a feature map."""

    images: int
    height: int
    width: int
    channels: int


@dataclass(frozen=True)
class Kernel:
    """Sizes of a convolution's weights; ``inputs`` is of one group. ``depthwise``: known to have a group a channel."""

    outputs: int
    inputs: int
    height: int
    width: int
    depthwise: bool = False


def is_channels_last(activations: list[list[int]], channels: set[int]) -> bool:
    """Whether four-dimensional activations have their channels at the end: where more of them are known numbers."""
    four = [s for s in activations if len(s) == 4]
    return sum(s[3] in channels for s in four) >= sum(s[1] in channels for s in four)


def image(shape: list[int], last: bool) -> Image | None:
    """A feature map's sizes; None for another number of dimensions."""
    if len(shape) == 5:  # steps of a recording in front
        shape = [shape[0] * shape[1], *shape[2:]]
    if len(shape) != 4:
        return None
    return Image(*shape) if last else Image(shape[0], shape[2], shape[3], shape[1])


def images(
    weights: list[tuple[str, list[int]]], activations: list[list[int]], channels: set[int]
) -> list[Image | None]:
    """The feature map that each activation is, by the operators and shapes of weights and known numbers of channels."""
    dimensions = {len(shape) for op, shape in weights if op in CONVOLUTIONS}
    if 3 not in dimensions or 4 in dimensions:
        last = is_channels_last(activations, channels)
        return [image(shape, last) for shape in activations]
    rows = [sequence(shape) for shape in activations]
    last = sum(s[2] in channels for s in rows if s) > sum(s[1] in channels for s in rows if s)
    return [image([s[0], 1, s[1], s[2]] if last else [s[0], s[1], 1, s[2]], last) if s else None for s in rows]


def sequence(shape: list[int]) -> list[int] | None:
    """Of a model whose convolutions go along one side only, [N, C, W] or [N, W, C], steps of a recording among N."""
    if len(shape) == 4:
        shape = [shape[0] * shape[1], *shape[2:]]
    return shape if len(shape) == 3 else None


def kernels_last(weights: list[tuple[str, list[int]]]) -> bool:
    """Whether convolutions' weights are [O, I, H, W], not [O, H, W, I]: what makes more of them square."""
    four = [s for op, s in weights if len(s) == 4 and op not in DEPTHWISE]

    def kernels(first: int) -> tuple[int, int]:
        return sum(s[first] == s[first + 1] for s in four), -sum(s[first] * s[first + 1] for s in four)

    return kernels(2) > kernels(1)


def kernel(op: str, shape: list[int], last: bool) -> Kernel | None:
    """A convolution's sizes from its weights' shape; None if that is none."""
    if op in CONVOLUTIONS and len(shape) == 3:  # along one side only: [O, I, W] in all files that have such
        shape, last = [shape[0], shape[1], 1, shape[2]], True
    if len(shape) != 4 or op not in CONVOLUTIONS:
        return None
    if op in DEPTHWISE and shape[0] == 1 and not last:
        return Kernel(shape[3], 1, shape[1], shape[2], True)
    if op in TRANSPOSED:  # [I, O, H, W], or [O, H, W, I]
        return Kernel(shape[1], shape[0], *shape[2:]) if last else Kernel(shape[0], shape[3], *shape[1:3])
    return Kernel(shape[0], shape[1], *shape[2:]) if last else Kernel(shape[0], shape[3], *shape[1:3])


def strides(inputs: int, outputs: int, size: int) -> set[int]:
    """Strides that take so many inputs to so many outputs, with padding of at most half a kernel at each end.

    Tried are small ones, the kernel itself (patches), and what makes so many outputs without padding (frames of a
    signal).
    """
    found = set()
    frames = (inputs - size) // (outputs - 1) if outputs > 1 else 1
    for step in {1, 2, 3, 4, size, max(1, frames)}:
        least, most = max(0, inputs - size) // step + 1, (inputs + 2 * max(1, size // 2) - size) // step + 1
        if least <= outputs <= max(most, -(-inputs // step)):
            found.add(step)
    return found
