"""The parts of a Verilog module, as far as Yosys' output needs them."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

COMPARISONS = {"==", "!=", "<", "<=", ">", ">="}
ONE_BIT = COMPARISONS | {"!", "r&", "r|", "r^"}  # r: reduction
BITWISE = {"~", "&", "|", "^"}
ARITHMETIC = {"+", "-", "*", "neg"}  # bit i of the result depends on bits 0..i of the operands
SHIFTS = {"<<", ">>"}
OPERATORS = ONE_BIT | BITWISE | ARITHMETIC | SHIFTS | {"?:", "$signed"}


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
        return max(arg.width for arg in (self.args[1:] if self.name == "?:" else self.args))


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
    """``nets`` in the order of their declarations; ``states``: state register's name to its states' names."""

    name: str
    nets: dict[str, Net] = field(default_factory=dict)
    assigns: list[Assign] = field(default_factory=list)
    processes: list[Process] = field(default_factory=list)
    instances: list[Instance] = field(default_factory=list)
    states: dict[str, dict[int, str]] = field(default_factory=dict)
    comment: str = ""

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


def select(expr: Expr, high: int, low: int) -> Expr | None:
    """Bits ``high .. low`` of an expression without a net in between; None if an operator forbids it."""
    if low == 0 and high == expr.width - 1:
        return expr
    match expr:
        case Const(bits):
            return Const(bits[len(bits) - 1 - high : len(bits) - low])
        case Ref(net, _, base):
            return Ref(net, base + high, base + low, whole=False)
        case Cat(parts):
            picked, at = [], expr.width
            for part in parts:
                at -= part.width
                top, bottom = min(high, at + part.width - 1), max(low, at)
                if top >= bottom:
                    picked.append(select(part, top - at, bottom - at))
            return None if None in picked else cat(picked)
        case Op("?:", (condition, *branches)):
            branches = [select(fit(branch, expr.width), high, low) for branch in branches]
            return None if None in branches else Op("?:", (condition, *branches))
        case Op(name, args) if name in BITWISE or (name in ARITHMETIC and low == 0):
            args = [select(fit(arg, expr.width), high, low) for arg in args]
            return None if None in args else Op(name, tuple(args))
        case Op("<<", (value, amount)) if low == 0:
            value = select(value, high, 0)
            return None if value is None else Op("<<", (value, amount))
        case Op(">>", (Cat((Const(bits), *_)) as value, amount)) if low == 0:
            gone = value.width - 1 - high  # zeros shifted in from above may as well come from nowhere
            if gone <= len(bits) and "1" not in bits[:gone]:
                return Op(">>", (select(value, high, 0), amount))
    return None


def fit(expr: Expr, width: int) -> Expr | None:
    """The same value, as an expression of exactly ``width`` bits whose operands have the widths Verilog works at.

    None if bits had to be cut off behind an operator that does not allow it (a shift to the right).
    """
    match expr:
        case Op("?:", (condition, *branches)):
            branches = [fit(branch, width) for branch in branches]
            return None if None in branches else Op("?:", (exact(condition), *branches))
        case Op(name, args) if name in BITWISE or name in ARITHMETIC:
            signed = all(isinstance(arg, Op) and arg.name == "$signed" for arg in args)
            args = [_extend(arg.args[0], width) if signed else fit(arg, width) for arg in args]
            return None if None in args else Op(name, tuple(args))
        case Op("<<", (value, amount)):
            value = fit(value, width)
            return None if value is None else Op("<<", (value, exact(amount)))
        case Op(">>", (value, amount)) if value.width <= width:
            return Op(">>", (fit(value, width), exact(amount)))
        case Op("$signed", (arg,)):
            return _extend(arg, width)
        case Op():
            expr = exact(expr)
    if expr.width < width:
        return cat([Const("0" * (width - expr.width)), expr])
    return select(expr, width - 1, 0)


def exact(expr: Expr) -> Expr:
    """``expr`` with operands of equal width where Verilog would stretch the shorter one, reductions for ``!``."""
    match expr:
        case Op(name, (left, right)) if name in COMPARISONS:
            width = max(left.width, right.width)
            if all(isinstance(side, Op) and side.name == "$signed" for side in (left, right)):
                return Op(name, tuple(Op("$signed", (_extend(side.args[0], width),)) for side in (left, right)))
            return Op(name, (fit(left, width), fit(right, width)))
        case Op("!", (arg,)) if arg.width > 1:
            return Op("==", (exact(arg), Const("0" * arg.width)))
        case Op("!", (arg,)):
            return Op("~", (exact(arg),))
        case Op("r|" | "r&" | "r^" as name, (arg,)):
            return exact(arg) if arg.width == 1 else Op(name, (exact(arg),))
        case Op():
            return fit(expr, expr.width)
        case Cat(parts):
            return cat([exact(part) for part in parts])
    return expr


def _extend(expr: Expr, width: int) -> Expr:
    """Stretch by the sign, or cut."""
    if expr.width >= width:
        return select(expr, width - 1, 0)
    return cat([select(expr, expr.width - 1, expr.width - 1)] * (width - expr.width) + [expr])


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
    exprs = [assign.value for assign in module.assigns]
    for process in module.processes:
        exprs += reads_in(process.body)
    for instance in module.instances:
        exprs += instance.ports.values()
    return Counter(ref.net for expr in exprs for ref in refs(expr))
