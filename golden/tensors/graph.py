"""An ONNX graph as its readers need it: who makes and who reads a tensor, and which constant stands behind it."""

# Operators whose result is their input in another place, shape or type: what a weight passes on its way.
MOVES = {"Identity", "Transpose", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Cast", "Expand"}
CODING = {"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"}
REARRANGES = MOVES | CODING | {"Slice", "Split", "Concat"}
CLIPPED = ":apack:clip"  # behind the name of a tensor that is clipped so that its codes have less than 8 bits
MOST_STEPS = 256  # back from an operator to the constants behind it
# Where operators of float networks take weights: input -> axis of the output channels (None: a scale for the tensor).
FLOAT_WEIGHTS = {
    "Conv": {1: 0}, "ConvTranspose": {1: 1}, "MatMul": {0: -2, 1: -1}, "Gemm": {0: 0, 1: 1}, "Gather": {0: None},
    "LSTM": {1: None, 2: None}, "GRU": {1: None, 2: None}, "RNN": {1: None, 2: None}, "Attention": {1: 1},
    "EmbedLayerNormalization": {2: None, 3: None, 4: None},
}
# Where operators on integers take weights: input -> inputs that hold its scale and zero point.
INTEGER_WEIGHTS = {
    "QLinearConv": {3: (4, 5)}, "QLinearMatMul": {0: (1, 2), 3: (4, 5)}, "ConvInteger": {1: (None, 3)},
    "MatMulInteger": {0: (None, 2), 1: (None, 3)}, "DynamicQuantizeMatMul": {1: (2, 3)},
    "QGemm": {0: (1, 2), 3: (4, 5)}, "MatMulIntegerToFloat": {0: (2, 4), 1: (3, 5)}, "QAttention": {1: (4, 7)},
    "DynamicQuantizeLSTM": {1: (8, 9), 2: (10, 11)}, "QLinearAdd": {0: (1, 2), 3: (4, 5)},
    "QLinearMul": {0: (1, 2), 3: (4, 5)}, "QEmbedLayerNormalization": {2: (8, 13), 3: (9, 14), 4: (10, 15)},
    "MatMulNBits": {1: (2, 3)}, "GatherBlockQuantized": {0: (2, 3)},
    "Gather": {0: (None, None)},  # a table of codes, restored behind it
}


class Graph:
    """One GraphProto. ``parent`` is the graph around it (of If, Loop, Scan), whose tensors it sees, or None.

    Members
    -------
    constants : name -> TensorProto, of initializers and Constant nodes. producer : name -> NodeProto.
    readers : name -> list of (NodeProto, which input). subgraphs : graphs inside, one deep. nodes : in order.
    """

    def __init__(self, proto, parent: "Graph | None" = None):
        self.proto, self.parent, self.nodes = proto, parent, list(proto.node)
        self.constants = {t.name: t for t in proto.initializer}
        self.producer, self.readers, self.subgraphs = {}, {}, []
        for node in self.nodes:
            for name in node.output:
                self.producer[name] = node
            for index, name in enumerate(node.input):
                self.readers.setdefault(name, []).append((node, index))
            for attribute in node.attribute:
                if node.op_type == "Constant" and attribute.name == "value" and node.output:
                    self.constants[node.output[0]] = attribute.t
                self.subgraphs += [Graph(g, self) for g in (attribute.g, *attribute.graphs) if g.node]
        for name, tensor in self.constants.items():
            tensor.name = tensor.name or name

    def all(self):
        """This graph and all graphs inside, outermost first."""
        yield self
        for graph in self.subgraphs:
            yield from graph.all()

    def constant(self, name: str):
        """The TensorProto of a name, here or around; None if it is computed."""
        found = self.constants.get(name)
        return self.parent.constant(name) if found is None and self.parent and name not in self.producer else found

    def behind(self, name: str) -> tuple[str, bool]:
        """The tensor that ``name`` is a moved copy of, and whether its axes are swapped on the way.

        Goes back over MOVES and quantizers, however many, to a constant or to what computes it.
        """
        swapped = False
        for _ in range(len(self.nodes) + 1):
            node = self.producer.get(name)
            if node is None or not node.input or not passes(node):
                break
            swapped ^= node.op_type == "Transpose"
            name = node.input[0]
        return name, swapped

    def constants_behind(self, name: str) -> list[tuple[str, bool]]:
        """The constants that ``name`` is a rearrangement of, each with whether it was transposed; else empty.

        Goes back over MOVES, quantizers, and what cuts and joins (the gates of a recurrent layer, for example).
        """
        todo, found, steps = [(name, False)], {}, 0
        while todo:
            name, swapped = todo.pop()
            node, steps = self.producer.get(name), steps + 1
            if self.constant(name) is not None:
                found[name] = swapped
            elif node is None or not node.input or node.op_type not in REARRANGES or steps > MOST_STEPS:
                return []
            else:
                swapped ^= node.op_type == "Transpose"
                names = node.input if node.op_type == "Concat" else node.input[:1]
                todo += [(name, swapped) for name in names]
        return list(found.items())

    def users(self, name: str, limit: int = 64):
        """(node, input) of the operators that read ``name``, or a moved copy of it; at most ``limit``."""
        todo, seen, found = [name], {name}, []
        while todo and len(found) < limit:
            for node, index in self.readers.get(todo.pop(), ()):
                if passes(node) and index == 0:
                    fresh = [out for out in node.output[:1] if out not in seen]
                    seen.update(fresh)
                    todo += fresh
                else:
                    found.append((node, index))
        return found[:limit]

    def maker(self, name: str):
        """The operator whose result ``name`` is, seen through quantizers; None for an input or a constant."""
        node = self.producer.get(name)
        for _ in range(len(self.nodes)):
            if node is None or node.op_type not in CODING or not node.input:
                break
            node = self.producer.get(node.input[0])
        return node


def passes(node) -> bool:
    """Whether an operator's result is its input, moved or quantized: clipping that belongs to a quantizer, too."""
    return node.op_type in MOVES | CODING or any(name.endswith(CLIPPED) for name in node.output)


def plain(node) -> str:
    """The operator that a node is, be it on floats or on codes."""
    return node.op_type.removeprefix("QLinear")


def layer(node) -> str:
    """A name for an operator: its own, else that of its result."""
    return node.name or (node.output[0] if node.output else node.op_type)


def attribute(node, name: str, default=None):
    """An attribute's integer, or the default."""
    return next((a.i for a in node.attribute if a.name == name), default)
