"""Reads the Verilog that Yosys writes for Amaranth; anything else is refused."""

import re

from .tree import Assign, Case, Cat, Const, If, Instance, Module, Net, Op, Process, cat

_BLANK = re.compile(r"(?:\s|/\*.*?\*/|\(\*(?!\)).*?\*\))*", re.DOTALL)  # with comments and attributes
_TOKEN = re.compile(
    r"""\\\S+(?=\s)                      # escaped name
      | [A-Za-z_]\w*                     # name
      | \$signed | \d+'[bdh][\da-fxz?]+  # sign cast, sized number
      | \d+
      | <<|>>|<=|>=|==|!=|@\*|\S""",
    re.VERBOSE,
)
_NAME = re.compile(r"\\|[A-Za-z_]")
_BINARY = {"+", "-", "*", "&", "|", "^", "<<", ">>", "==", "!=", "<", "<=", ">", ">="}
_UNARY = {"~": "~", "!": "!", "-": "neg", "&": "r&", "|": "r|", "^": "r^"}


def read(text: str) -> list[Module]:
    """The modules of a Verilog file. Raises ValueError where it meets something it does not know."""
    return _Reader(text).file()


class _Reader:
    def __init__(self, text: str):
        self.tokens, at = [], _BLANK.match(text).end()
        while at < len(text):
            token = _TOKEN.match(text, at)
            self.tokens.append(token[0])
            at = _BLANK.match(text, token.end()).end()
        self.at = 0
        self.module = None

    # Tokens

    @property
    def next(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else "end of file"

    def take(self) -> str:
        self.at += 1
        return self.tokens[self.at - 1]

    def got(self, token: str) -> bool:
        """Whether ``token`` was next; it is gone then."""
        hit = self.next == token
        self.at += hit
        return hit

    def expect(self, *tokens: str):
        for token in tokens:
            if not self.got(token):
                context = " ".join(self.tokens[max(0, self.at - 8) : self.at + 8])
                raise ValueError(f"cannot read this Verilog: expected {token!r}, not {self.next!r}, at {context!r}")

    def name(self) -> str:
        if not _NAME.match(self.next):
            self.expect("a name")
        return self.take().lstrip("\\")

    # Modules

    def file(self) -> list[Module]:
        modules = []
        while self.at < len(self.tokens):
            self.expect("module")
            modules.append(self.one_module())
        return modules

    def one_module(self) -> Module:
        self.module = m = Module(self.name())
        while not self.got(";"):  # the port list; directions follow
            self.take()
        while not self.got("endmodule"):
            match self.next:
                case "input" | "output" | "wire" | "reg":
                    self.declaration()
                case "assign":
                    self.take()
                    m.assigns.append(self.assignment("="))
                case "always":
                    self.take()
                    m.processes.append(self.process())
                case _:
                    m.instances.append(self.instance())
        return m

    def declaration(self):
        kind = self.take()
        self.got("signed")  # every use of a sign is cast
        width = 1
        if self.got("["):
            if not self.next.isdigit():  # [-1:0]
                raise ValueError("a signal without bits: Yosys silently drops what is chosen by one")
            width = int(self.take()) + 1
            self.expect(":", "0", "]")
        name = self.name()
        if self.got("="):  # start values are for simulators; reset is what counts
            self.take()
        self.expect(";")
        net = self.module.nets.setdefault(name, Net(width))
        if kind in ("input", "output"):
            net.direction = kind

    def instance(self) -> Instance:
        made = Instance(self.name(), self.name(), {})
        self.expect("(")
        while not self.got(")"):
            self.expect(".")
            port = self.name()
            self.expect("(")
            made.ports[port] = self.expression() if self.next != ")" else Cat(())
            self.expect(")")
            self.got(",")
        self.expect(";")
        return made

    # Statements

    def process(self) -> Process:
        if self.got("@*"):
            return Process(self.statement())
        self.expect("@", "(", "posedge")
        clock = self.operand()
        self.expect(")")
        return Process(self.statement(), clock)

    def statement(self) -> tuple:
        """One statement, or those between ``begin`` and ``end``."""
        if self.got(";"):
            return ()
        if self.got("begin"):
            body = []
            while not self.got("end"):
                body += self.statement()
            return tuple(body)
        if self.got("if"):
            self.expect("(")
            condition = self.expression()
            self.expect(")")
            then = self.statement()
            otherwise = self.statement() if self.got("else") else ()
            return (If(condition, then, otherwise),)
        if self.got("casez"):
            return (self.case(),)
        return (self.assignment("=", "<="),)

    def case(self) -> Case:
        self.expect("(")
        subject = self.expression()
        self.expect(")")
        items = []
        while not self.got("endcase"):
            labels = []
            if not self.got("default"):
                labels.append(self.operand())
                while self.got(","):
                    labels.append(self.operand())
            self.expect(":")
            items.append((tuple(labels), self.statement()))
        return Case(subject, tuple(items))

    def assignment(self, *signs: str) -> Assign:
        target = self.operand()
        self.expect(self.next if self.next in signs else signs[0])
        value = self.expression()
        self.expect(";")
        return Assign(target, value)

    # Expressions: Yosys writes one operator at a time, without parentheses

    def expression(self):
        if self.next in _UNARY:
            return Op(_UNARY[self.take()], (self.operand(),))
        left = self.operand()
        if self.next in _BINARY:
            return Op(self.take(), (left, self.operand()))
        if self.got("?"):
            middle = self.operand()
            self.expect(":")
            return Op("?:", (left, middle, self.operand()))
        return left

    def operand(self):
        if self.got("$signed"):
            self.expect("(")
            inner = self.operand()
            self.expect(")")
            return Op("$signed", (inner,))
        if self.got("{"):
            return self.concatenation()
        if "'" in self.next:
            return _number(self.take())
        net = self.name()
        if net not in self.module.nets:
            raise ValueError(f"cannot read this Verilog: {net!r} is used before it is declared")
        if not self.got("["):
            return self.module.whole(net)
        high = low = int(self.take())
        if self.got(":"):
            low = int(self.take())
        self.expect("]")
        return self.module.bits(net, high, low)

    def concatenation(self):
        parts, times = [], 1
        if self.next.isdigit():
            times = int(self.take())
            self.expect("{")
        while not self.got("}"):
            parts.append(self.operand())
            self.got(",")
        if times > 1:
            self.expect("}")
        return cat(parts * times)


def _number(token: str) -> Const:
    width, _, digits = token.partition("'")
    base, digits = digits[0], digits[1:]
    if base == "d":
        bits = f"{int(digits):b}"
    elif base == "h":
        bits = "".join(f"{int(d, 16):04b}" if d not in "xz?" else d * 4 for d in digits)
    else:
        bits = digits
    width = int(width)
    return Const(bits.rjust(width, "0")[-width:])
