"""The parts of a Verilog module, as far as Yosys' output needs them."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

COMPARISONS = {"==", "!=", "<", "<=", ">", ">="}
ONE_BIT = COMPARISONS | {"!", "r&", "r|", "r^"}  # r: reduction
BITWISE = {"~", "&", "|", "^"}
ARITHMETIC = {"+", "-", "*", "neg"}  # bit i of the result depends on bits 0..i of the operands
SHIFTS = {"<<", ">>"}
CHOICES = {"?:", "pick"}  # selector, then what it chooses from: if 1 and if 0; element 0, element 1, ...
OPERATORS = ONE_BIT | BITWISE | ARITHMETIC | SHIFTS | CHOICES | {"$signed", "+:"}  # +: vector, lowest bit, a width


@dataclass(frozen=True, slots=True)
class Const:
    """``width`` bits, most significant first, of ``0``, ``1`` (``x`` and, in case labels, ``?`` as well)."""

    bits: str

    @property
    def width(self) -> int:
        return len(self.bits)


@dataclass(frozen=True, slots=True)
class Ref:
    """Bits ``high .. low`` of a net. ``whole``: they are all of it."""

    net: str
    high: int
    low: int
    whole: bool = True

    @property
    def width(self) -> int:
        return self.high - self.low + 1


@dataclass(frozen=True, slots=True)
class Cat:
    """``parts`` side by side, most significant first."""

    parts: tuple

    @property
    def width(self) -> int:
        return sum(part.width for part in self.parts)


@dataclass(frozen=True, slots=True)
class Op:
    """An operator of ``OPERATORS`` on ``args``; ``width`` is what Verilog gives it standing alone."""

    name: str
    args: tuple

    @property
    def width(self) -> int:
        if self.name in ONE_BIT:
            return 1
        if self.name in SHIFTS:
            return self.args[0].width
        if self.name == "+:":
            return self.args[2].width
        return max(arg.width for arg in (self.args[1:] if self.name in CHOICES else self.args))


Expr = Const | Ref | Cat | Op


@dataclass(frozen=True, slots=True)
class Assign:
    """``target`` (a Ref or a Cat of them) takes ``value``."""

    target: Expr
    value: Expr


@dataclass(frozen=True, slots=True)
class If:
    condition: Expr
    then: tuple
    otherwise: tuple = ()


@dataclass(frozen=True, slots=True)
class Case:
    """``items``: pairs of labels (none: default) and statements. Only the first that fits is executed."""

    subject: Expr
    items: tuple


@dataclass
class Process:
    """An ``always`` block: combinational, or on the rising edge of ``clock``."""

    body: tuple
    clock: Ref | None = None


@dataclass
class Instance:
    """``module`` used under the name ``name``; ``ports``: port name to what it is connected to."""

    module: str
    name: str
    ports: dict[str, Expr]


@dataclass
class Net:
    """A wire or variable of ``width`` bits; ``direction`` is "input", "output" or, inside, None.

    ``base`` is the number its lowest bit is written with; a Ref counts from 0.
    """

    width: int
    direction: str | None = None
    base: int = 0


@dataclass
class Module:
    """``nets`` in the order of their declarations; ``states``: state register's name to its states' names.

    ``given``: only ports are here, the rest of the module is written elsewhere; for each port, as Amaranth calls it,
    ``(high, low, name)`` of the ports that it was split into, most significant first; ``inner``: its other names.
    """

    name: str
    nets: dict[str, Net] = field(default_factory=dict)
    assigns: list[Assign] = field(default_factory=list)
    processes: list[Process] = field(default_factory=list)
    instances: list[Instance] = field(default_factory=list)
    states: dict[str, dict[int, str]] = field(default_factory=dict)
    comment: str = ""
    given: dict[str, list[tuple[int, int, str]]] | None = None
    inner: frozenset[str] = frozenset()

    def whole(self, net: str) -> Ref:
        return Ref(net, self.nets[net].width - 1, 0)

    def bits(self, net: str, high: int, low: int) -> Ref:
        return Ref(net, high, low, whole=(low == 0 and high == self.nets[net].width - 1))

    def replace(self, change: Callable[[Ref], Expr], *, targets: bool = True):
        """Put every Ref of the module through ``change``; with ``targets``, those that are assigned to as well."""

        def in_expr(expr: Expr) -> Expr:
            return replace_refs(expr, change)

        def in_assign(assign: Assign) -> tuple:
            return (Assign(in_expr(assign.target) if targets else assign.target, in_expr(assign.value)),)

        self.assigns = [new for assign in self.assigns for new in in_assign(assign)]
        for process in self.processes:
            process.body = rewrite(process.body, in_assign, in_expr)
            process.clock = process.clock and in_expr(process.clock)
        for instance in self.instances:
            instance.ports = {port: in_expr(expr) for port, expr in instance.ports.items()}


def cat(parts) -> Expr:
    """A Cat without Cats in it, without empty parts, with neighbours joined; its only part if there is but one."""
    flat = []
    for part in parts:
        for piece in part.parts if isinstance(part, Cat) else (part,):
            if not piece.width:
                continue
            last = flat[-1] if flat else None
            if isinstance(piece, Const) and isinstance(last, Const):
                flat[-1] = Const(last.bits + piece.bits)
            elif isinstance(piece, Ref) and isinstance(last, Ref) and _continues(last, piece):
                flat[-1] = Ref(piece.net, last.high, piece.low, whole=False)
            else:
                flat.append(piece)
    return flat[0] if len(flat) == 1 else Cat(tuple(flat))


def _continues(upper: Ref, lower: Ref) -> bool:
    return upper.net == lower.net and upper.low == lower.high + 1


def refs(expr: Expr) -> Iterator[Ref]:
    """Every Ref in an expression."""
    match expr:
        case Ref():
            yield expr
        case Cat(parts) | Op(_, parts):
            for part in parts:
                yield from refs(part)


def replace_refs(expr: Expr, change: Callable[[Ref], Expr]) -> Expr:
    """``expr`` with every Ref put through ``change``."""
    match expr:
        case Ref():
            return change(expr)
        case Cat(parts):
            return cat([replace_refs(part, change) for part in parts])
        case Op(name, args):
            return Op(name, tuple(replace_refs(arg, change) for arg in args))
    return expr


def rewrite(body: tuple, change: Callable[[Assign], tuple], condition: Callable[[Expr], Expr]) -> tuple:
    """Statements with every Assign put through ``change`` and every condition, subject and label as is or changed;
    branches in which nothing is left go."""
    result = []
    for statement in body:
        match statement:
            case Assign():
                result += change(statement)
            case If(test, then, otherwise):
                then, otherwise = rewrite(then, change, condition), rewrite(otherwise, change, condition)
                if then or otherwise:
                    result.append(If(condition(test), then, otherwise))
            case Case(subject, items):
                items = tuple((labels, rewrite(inner, change, condition)) for labels, inner in items)
                if any(inner for _, inner in items):
                    result.append(Case(condition(subject), items))
    return tuple(result)


def assigns_in(body: tuple) -> Iterator[Assign]:
    """Every Assign in statements, however deep."""
    for statement in body:
        match statement:
            case Assign():
                yield statement
            case If(_, then, otherwise):
                yield from assigns_in(then)
                yield from assigns_in(otherwise)
            case Case(_, items):
                for _, inner in items:
                    yield from assigns_in(inner)


def reads_in(body: tuple) -> Iterator[Expr]:
    """Every condition, case subject and assigned value in statements."""
    for statement in body:
        match statement:
            case Assign(_, value):
                yield value
            case If(condition, then, otherwise):
                yield condition
                yield from reads_in(then)
                yield from reads_in(otherwise)
            case Case(subject, items):
                yield subject
                for _, inner in items:
                    yield from reads_in(inner)


def read_counts(module: Module) -> Counter[str]:
    """How often each net is read, or connected to an instance."""
    return Counter(ref.net for ref in _read(module))


def read_masks(module: Module) -> Counter[str]:
    """Which bits of each net are read, or connected to an instance."""
    masks = Counter()
    for ref in _read(module):
        masks[ref.net] |= ((1 << ref.width) - 1) << ref.low
    return masks


def _read(module: Module) -> Iterator[Ref]:
    exprs = [assign.value for assign in module.assigns]
    for process in module.processes:
        exprs += [process.clock] if process.clock else []
        exprs += reads_in(process.body)
    for instance in module.instances:
        exprs += instance.ports.values()
    return (ref for expr in exprs for ref in refs(expr))
