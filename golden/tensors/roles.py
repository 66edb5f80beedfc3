"""What a tensor is for in a transformer: embedding, projection, feed-forward, head, or keys and values ("kv").

Heuristics, documented in README.md. Here: of an ONNX graph, by following the data around each softmax;
``role_names.py``: of names, and of tensor packs. Anything else has no role.
"""

from .graph import CODING, FLOAT_WEIGHTS, INTEGER_WEIGHTS, MOVES, Graph, plain

# Operators on the way from a projection to the attention's products: they add a bias, scale, rotate, cut, join.
ALONG = MOVES | CODING | {"Add", "Mul", "Div", "Split", "Slice", "Concat", "Gather", "Neg", "Where", "Sub", "Clip"}
PRODUCTS = {"MatMul", "QLinearMatMul", "MatMulInteger", "MatMulIntegerToFloat", "DynamicQuantizeMatMul", "Einsum"}
DENSE = PRODUCTS | {"Gemm", "QGemm", "MatMulNBits"}
FUSED = {"Attention", "QAttention"}  # projection and attention in one, in onnxruntime's own set of operators
FAR = 24  # operators followed from a softmax or a product before giving up


def graph_roles(graph: Graph) -> tuple[dict[str, str], set[str]]:
    """Roles of the constants of an ONNX graph, by name; and the tensors that are keys or values of attention.

    Attention is a softmax between two products of computed matrices. Its inputs lead back to the weights of the
    projections, what reads its result on to the output projection. In a graph with attention, two-dimensional
    weights of other products are feed-forward, the one that ends the graph is the head; what Gather reads by
    computed indices is an embedding. Graphs without attention have only embeddings.
    """
    roles, kv = {}, set()
    for node in graph.nodes:
        if node.op_type in ("Gather", "GatherBlockQuantized", "EmbedLayerNormalization"):
            name = graph.behind(node.input[0])[0]
            if graph.constant(name) is not None and len(graph.constant(name).dims) == 2:
                roles[name] = "embedding"
        if node.op_type in FUSED and len(node.input) > 1:
            roles[graph.behind(node.input[1])[0]] = "projection"
    softmaxes = (node for node in graph.nodes if plain(node) == "Softmax" and node.input)
    attention = [found for found in (_attention(graph, node) for node in softmaxes) if found]
    for query, key, value, product in attention:
        paths = [_back(graph, name) for name in (query, key, value)]
        for dense, _ in paths:
            roles |= dict.fromkeys(_weights(graph, dense), "projection")
        kv |= (paths[1][1] | paths[2][1]) - paths[0][1]
        roles |= dict.fromkeys(_weights(graph, _forward(graph, product)), "projection")
    if attention:
        _others(graph, roles)
    return roles, kv


def _operands(node) -> list[str]:
    """The two factors of a product."""
    return [node.input[0], node.input[3 if node.op_type == "QLinearMatMul" else 1]]


def _attention(graph: Graph, softmax):
    """Query, key, value and the second product around a softmax; None if it is another kind of softmax."""
    first = graph.producer.get(softmax.input[0])
    for _ in range(FAR):  # past scale and mask
        if first is None or first.op_type in PRODUCTS:
            break
        computed = [name for name in first.input if graph.constant(name) is None and name in graph.producer]
        first = graph.producer[computed[0]] if computed and plain(first) in ALONG else None
    second = next((n for n, i in graph.users(softmax.output[0]) if n.op_type in PRODUCTS and i == 0), None)
    if first is None or second is None:
        return None
    names = [*_operands(first), _operands(second)[1]]
    if any(graph.constant(graph.behind(name)[0]) is not None for name in names):
        return None  # a product with a constant is a layer, not attention
    return *names, second


def _back(graph: Graph, name: str):
    """The product with a weight that ``name`` comes from (None if there is none near), and the tensors between."""
    todo, seen, dense = [name], {name}, None
    while todo and len(seen) < FAR * 4:
        name = todo.pop(0)
        node = graph.producer.get(name)
        if node is None:
            continue
        if node.op_type in DENSE and _weights(graph, node):
            dense = dense or node
        elif plain(node) in ALONG:
            fresh = [i for i in node.input if i in graph.producer and i not in seen and graph.constant(i) is None]
            seen.update(fresh)
            todo += fresh
    return dense, seen if dense is not None else set()


def _forward(graph: Graph, node):
    """The next product with a weight that reads the result of ``node``, or None."""
    for _ in range(FAR):
        users = graph.users(node.output[0])
        found = next((n for n, _ in users if n.op_type in DENSE and _weights(graph, n)), None)
        if found is not None or not users:
            return found
        node = users[0][0]
        if plain(node) not in ALONG:
            return None
    return None


def _weights(graph: Graph, node) -> list[str]:
    """The constants of two or more dimensions that a product reads, by name."""
    if node is None:
        return []
    slots = {**FLOAT_WEIGHTS, **INTEGER_WEIGHTS}.get(node.op_type, {})
    names = [graph.behind(node.input[i])[0] for i in slots if i < len(node.input)]
    return [n for n in names if graph.constant(n) is not None and len(graph.constant(n).dims) >= 2]


def _others(graph: Graph, roles: dict[str, str]) -> None:
    """Give the weights of the products that are left a role."""
    left = [node for node in graph.nodes if node.op_type in DENSE and _weights(graph, node)]
    ends = {graph.behind(output.name)[0] for output in graph.proto.output}
    for node in left:
        last = _ends(graph, node, ends)
        for name in _weights(graph, node):
            roles.setdefault(name, "head" if last else "feed-forward")


def _ends(graph: Graph, node, ends: set[str]) -> bool:
    """Whether only a bias, a softmax and the like stand between a product and the graph's outputs."""
    for _ in range(4):
        if ends & set(node.output):
            return True
        users = [n for n, _ in graph.users(node.output[0])]
        if len(users) != 1 or plain(users[0]) not in ALONG | {"Softmax", "LogSoftmax", "Sigmoid", "Tanh"}:
            return False
        node = users[0]
    return False
