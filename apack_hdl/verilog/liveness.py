"""Which bits are of use."""

from .tree import ARITHMETIC, BITWISE, CHOICES, Assign, Case, Cat, Expr, If, Instance, Module, Op, Ref, assigns_in, refs


class Liveness:
    """Which bits of which nets reach an output of the top: ``masks[module name][net name]``.

    ``read_above``: likewise, which bits of outputs are of use in the module above.
    """

    def __init__(self, modules: list[Module]):
        self.modules = {module.name: module for module in modules}
        self.masks = {module.name: dict.fromkeys(module.nets, 0) for module in modules}
        self.read_above = {module.name: dict.fromkeys(module.nets, 0) for module in modules}
        top = modules[0]
        for name, net in top.nets.items():
            if net.direction:
                self.masks[top.name][name] = self.read_above[top.name][name] = (1 << net.width) - 1
        for module in modules:
            if module.given is not None:
                self.masks[module.name] = {name: (1 << net.width) - 1 for name, net in module.nets.items()}
        users = {module.name: set() for module in modules}
        for module in modules:
            for instance in module.instances:
                users[instance.module].add(module.name)
        self.stale = {*self.modules}
        while self.stale:
            for module in modules:
                if module.name in self.stale:
                    self.stale.discard(module.name)
                    self._settle(module, users[module.name])

    def _settle(self, module: Module, users: set[str]):
        """Visit a module until that changes nothing; others it has to do with become stale if it did."""
        self.changed = True
        while self.changed:
            self.changed = False
            self._visit(module)
            if self.changed:
                self.stale |= users

    def _visit(self, module: Module):
        self.here = self.masks[module.name]
        for instance in module.instances:
            self._cross(instance)
        for process in module.processes:
            if self._body(process.body) and process.clock:
                self._need(process.clock, 1)
        for assign in reversed(module.assigns):  # from results to operands: soon done
            self._need(assign.value, self._mask(assign.target))

    def _cross(self, instance: Instance):
        inside = self.masks[instance.module]
        for port, expr in instance.ports.items():
            if port not in inside:  # a clock, of which a given module needs none
                continue
            if self.modules[instance.module].nets[port].direction == "input":
                self._need(expr, inside[port])
            elif self._mask(expr) & ~self.read_above[instance.module][port]:
                self.read_above[instance.module][port] |= self._mask(expr)
                inside[port] |= self._mask(expr)
                self.stale.add(instance.module)

    def _body(self, body: tuple) -> bool:
        """Visit statements; returns whether anything live is assigned."""
        any_live = False
        for statement in body:
            match statement:
                case Assign(target, value):
                    mask = self._mask(target)
                    self._need(value, mask)
                    live = bool(mask)
                case If(condition, then, otherwise):
                    live = self._body(then) | self._body(otherwise)
                    self._need(condition, live)
                case Case(subject, items):
                    live = any([self._body(inner) for _, inner in items])
                    self._need(subject, -live)
            any_live |= live
        return any_live

    def _mask(self, target: Expr) -> int:
        """Which bits of ``target`` are live."""
        if isinstance(target, Ref):
            return self.here[target.net] >> target.low & ((1 << target.width) - 1)
        mask = 0
        for part in target.parts:
            mask = mask << part.width | self._mask(part)
        return mask

    def _need(self, expr: Expr, mask: int):
        """Bits ``mask`` of ``expr`` are live."""
        mask &= (1 << expr.width) - 1
        if not mask:
            return
        up_to_top = (1 << mask.bit_length()) - 1
        match expr:
            case Ref(net, _, low):
                if mask << low & ~self.here[net]:
                    self.here[net] |= mask << low
                    self.changed = True
            case Cat(parts):
                for part in reversed(parts):
                    self._need(part, mask)
                    mask >>= part.width
            case Op(name, (selector, *branches)) if name in CHOICES:
                self._need(selector, -1)
                for branch in branches:
                    self._need(branch, mask)
            case Op("<<", (value, amount)):
                self._need(value, up_to_top)
                self._need(amount, -1)
            case Op(name, args):
                for arg in args:
                    self._need(arg, mask if name in BITWISE else up_to_top if name in ARITHMETIC else -1)


def check_driven(modules: list[Module]):
    """Raise ValueError if a bit that reaches an output of the top comes from nowhere: its logic has been lost."""
    live = Liveness(modules)
    for module in (module for module in modules if module.given is None):
        driven = {name: -(net.direction == "input") for name, net in module.nets.items()}
        targets = [assign.target for assign in module.assigns]
        targets += [assign.target for process in module.processes for assign in assigns_in(process.body)]
        for instance in module.instances:
            inside = live.modules[instance.module].nets
            targets += [expr for port, expr in instance.ports.items() if inside[port].direction == "output"]
        for ref in (ref for target in targets for ref in refs(target)):
            driven[ref.net] |= ((1 << ref.width) - 1) << ref.low
        for name, mask in live.masks[module.name].items():
            if mask & ~driven[name]:
                raise ValueError(f"{module.name}: nothing drives {name}, bits {mask & ~driven[name]:#x}")
