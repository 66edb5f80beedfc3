"""Prints modules."""

import textwrap
from itertools import groupby

from .tree import Assign, Case, Cat, Const, Expr, If, Instance, Module, Op, Process, Ref, assigns_in, refs

WIDE = 110  # columns a line may take
FULL = 120  # and those at which one that cannot be broken by its operands is broken anywhere
STEP = "  "
CHAINS = {"|", "^", "&", "+", "*"}  # a | b | c needs no parentheses


def write(module: Module) -> str:
    """One module as text."""
    return _Writer(module).text()


class _Writer:
    def __init__(self, module: Module):
        self.module = module
        self.variables = {
            ref.net for process in module.processes for a in assigns_in(process.body) for ref in refs(a.target)
        }

    def text(self) -> str:
        m = self.module
        ports = [name for name, net in m.nets.items() if net.direction]
        inner = [name for name, net in m.nets.items() if not net.direction]
        head = [f"// {line}" for line in textwrap.wrap(m.comment, WIDE - 3)]
        head += [f"module {m.name} (", *_commas(f"{STEP}{self.declaration(name)}" for name in ports), ");"]
        blocks = [
            *(self.state_names(net, states) for net, states in m.states.items()),
            [f"{STEP}{self.declaration(name)};" for name in inner],
            *(self.instance(instance) for instance in m.instances),
            [line for assign in m.assigns for line in self.assign(assign, "=", STEP, "assign ")],
            *(self.process(process) for process in m.processes),
        ]
        body = [line for block in blocks if block for line in ["", *block]]
        return "\n".join([*head, *(part for line in body for part in _wrapped(line)), "endmodule", ""])

    def declaration(self, name: str) -> str:
        net = self.module.nets[name]
        kind = "reg" if name in self.variables else "wire"
        size = f" [{net.base + net.width - 1}:{net.base}]" if net.width > 1 else ""
        return f"{f'{net.direction} ' if net.direction else ''}{kind}{size} {name}"

    def state_names(self, net: str, states: dict[int, str]) -> list[str]:
        size = self.module.nets[net].width
        return [f"{STEP}localparam [{size - 1}:0] {name} = {size}'d{value};" for value, name in states.items()]

    def instance(self, instance: Instance) -> list[str]:
        ports = _commas(f"{STEP * 2}.{port}({self.expr(expr)})" for port, expr in instance.ports.items())
        return [f"{STEP}{instance.module} {instance.name} (", *ports, f"{STEP});"]

    # Statements

    def process(self, process: Process) -> list[str]:
        head = f"always @(posedge {self.expr(process.clock)})" if process.clock else "always @*"
        return self.headed(f"{STEP}{head}", process.body, "<=" if process.clock else "=", STEP)

    def headed(self, head: str, body: tuple, sign: str, indent: str) -> list[str]:
        """``head`` and its statements, with ``begin`` and ``end`` unless there is but one, and a simple one."""
        inner = [line for statement in body for line in self.statement(statement, sign, indent + STEP)]
        if len(body) == 1 and isinstance(body[0], Assign):
            return [head, *inner]
        return [f"{head} begin", *inner, f"{indent}end"]

    def statement(self, statement, sign: str, indent: str) -> list[str]:
        match statement:
            case If(condition, then, otherwise):
                return self.choice(condition, then, otherwise, sign, indent)
            case Case(subject, items):
                return self.case(subject, items, sign, indent)
        return self.assign(statement, sign, indent)

    def assign(self, assign: Assign, sign: str, indent: str, keyword: str = "") -> list[str]:
        start = f"{indent}{keyword}{self.expr(assign.target)} {sign} "
        value = self.state(assign.target, assign.value) or self.expr(assign.value)
        if len(start) + len(value) < WIDE:
            return [f"{start}{value};"]
        return self.broken(start, assign.value, indent + STEP)

    def broken(self, start: str, value: Expr, indent: str) -> list[str]:
        """A long assignment, one operand a line."""
        match value:
            case Op("?:", (condition, yes, no)):
                first, *rest = self.operand(condition), f"? {self.operand(yes)}", f": {self.operand(no, '?:')}"
            case Op(name) if name in CHAINS:
                first, *rest = (self.operand(operand) for operand in _chain(value))
                rest = [f"{name} {operand}" for operand in rest]
            case Cat(parts):
                first, *rest = "{", *_commas(self.runs(parts)), "}"
            case _:
                first, *rest = [self.expr(value)]
        *lines, last = [f"{start}{first}", *(f"{indent}{line}" for line in rest)]
        return [*lines, f"{last};"]

    def choice(self, condition: Expr, then: tuple, otherwise: tuple, sign: str, indent: str) -> list[str]:
        if not then:
            condition, then, otherwise = _negated(condition), otherwise, ()
        lines = self.headed(f"{indent}if ({self.expr(condition)})", then, sign, indent)
        if not otherwise:
            return lines
        match otherwise:
            case (If(),):
                first, *rest = self.statement(otherwise[0], sign, indent)
                first = f"else {first.lstrip()}"
            case _:
                first, *rest = self.headed(f"{indent}else", otherwise, sign, indent)
                first = first.lstrip()
        if lines[-1] == f"{indent}end":
            return [*lines[:-1], f"{indent}end {first}", *rest]
        return [*lines, f"{indent}{first}", *rest]

    def case(self, subject: Expr, items: tuple, sign: str, indent: str) -> list[str]:
        wild = any("?" in label.bits for labels, _ in items for label in labels)
        lines = [f"{indent}{'casez' if wild else 'case'} ({self.expr(subject)})"]
        for labels, body in items:
            names = [self.state(subject, label) or self.expr(label) for label in labels]
            lines += self.item(", ".join(names) or "default", body, sign, indent + STEP)
        if all(labels for labels, _ in items):
            lines.append(f"{indent}{STEP}default: ;")
        return [*lines, f"{indent}endcase"]

    def item(self, label: str, body: tuple, sign: str, indent: str) -> list[str]:
        if not body:
            return [f"{indent}{label}: ;"]
        if len(body) == 1 and isinstance(body[0], Assign):
            line, *more = self.statement(body[0], sign, indent)
            return [f"{indent}{label}: {line.lstrip()}", *more]
        return self.headed(f"{indent}{label}:", body, sign, indent)

    def state(self, register: Expr, value: Expr) -> str | None:
        """The name of ``value`` if that is a state of ``register``."""
        if isinstance(register, Ref) and isinstance(value, Const) and register.net in self.module.states:
            return self.module.states[register.net].get(int(value.bits, 2))
        return None

    # Expressions

    def expr(self, expr: Expr) -> str:
        match expr:
            case Const(bits):
                return _number(bits)
            case Ref(net, high, low, whole):
                base = self.module.nets[net].base
                bits = f"{base + high}" if high == low else f"{base + high}:{base + low}"
                return net if whole else f"{net}[{bits}]"
            case Cat(parts):
                runs = [*self.runs(parts)]
                return runs[0] if len(runs) == 1 else f"{{{', '.join(runs)}}}"
            case Op("$signed", (arg,)):
                return f"$signed({self.expr(arg)})"
            case Op("+:", (vector, lowest, width)):
                return f"{self.expr(vector)}[{self.expr(lowest)} +: {width.width}]"
            case Op("?:", (condition, yes, no)):
                return f"{self.operand(condition)} ? {self.operand(yes)} : {self.operand(no, '?:')}"
            case Op(name, (arg,)):
                return f"{'-' if name == 'neg' else name[-1]}{self.operand(arg)}"
            case Op(name, (left, right)):
                right = self.state(left, right) or self.operand(right)
                return f"{self.operand(left, name)} {name} {right}"

    def operand(self, expr: Expr, parent: str = "") -> str:
        """In parentheses, unless it is simple or goes on with its ``parent``: nobody should have to know by heart
        what binds closer."""
        text = self.expr(expr)
        simple = not isinstance(expr, Op) or expr.name in ("~", "!", "$signed")
        chained = isinstance(expr, Op) and expr.name == parent and parent in CHAINS | {"?:"}
        return text if simple or chained else f"({text})"

    def runs(self, parts: tuple):
        """The parts of a concatenation; equal neighbours as a replication."""
        for part, same in groupby(parts):
            times = len([*same])
            yield self.expr(part) if times == 1 else f"{{{times}{{{self.expr(part)}}}}}"


def _wrapped(line: str) -> list[str]:
    """A line, in as many as it takes: some tools refuse the very long ones."""
    if len(line) <= FULL:
        return [line]
    further = " " * (len(line) - len(line.lstrip())) + 2 * STEP
    return textwrap.wrap(line, FULL, subsequent_indent=further, break_long_words=False, break_on_hyphens=False)


def _commas(lines) -> list[str]:
    *most, last = lines
    return [*(f"{line}," for line in most), last]


def _chain(expr: Expr, name: str | None = None) -> list[Expr]:
    """The operands of a chain of one operator, left to right."""
    name = name or expr.name
    if isinstance(expr, Op) and expr.name == name:
        return [*_chain(expr.args[0], name), expr.args[1]]
    return [expr]


def _negated(condition: Expr) -> Expr:
    match condition:
        case Op("~" | "!", (arg,)):
            return arg
        case Op("==", args):
            return Op("!=", args)
        case Op("!=", args):
            return Op("==", args)
    return Op("!", (condition,))


def _number(bits: str) -> str:
    width = len(bits)
    if width == 1 or not set(bits) <= {"0", "1"}:
        return f"{width}'b{bits}"
    value = int(bits, 2)
    if value >= 16 and (width > 12 or value + 1 == 1 << width):  # masks and the like
        return f"{width}'h{value:x}"
    return f"{width}'d{value}"
