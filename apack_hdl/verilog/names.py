"""Names for modules, instances and nets: legal without escapes, unique, and saying what the thing is."""

import re
from collections import Counter
from collections.abc import Iterator

from .tree import Case, Expr, If, Instance, Module, Ref, assigns_in, reads_in, refs

# Of Verilog and SystemVerilog, as far as a Python programmer might use them as names, and of C++, which simulators
# make of Verilog.
KEYWORDS = frozenset(
    """
    accept_on alias always and assert assign assume automatic before begin bind bins bit break buf byte case cell
    chandle checker class clocking config const constraint context continue cover cross deassign default defparam
    design disable dist do edge else end enum event eventually expect export extends extern final first_match for
    force forever fork function generate genvar global highz0 highz1 if iff ifnone illegal_bins implements implies
    import incdir include initial inout input inside instance int integer interconnect interface intersect join
    large let liblist library local localparam logic longint macromodule matches medium modport module nand negedge
    nettype new nexttime nmos nor noshowcancelled not notif0 notif1 null or output package packed parameter pmos
    posedge primitive priority program property protected pull0 pull1 pulldown pullup pure rand randc randcase
    randsequence rcmos real realtime ref reg reject_on release repeat restrict return rnmos rpmos rtran scalared
    sequence shortint shortreal showcancelled signed small soft solve specify specparam static string strong strong0
    strong1 struct super supply0 supply1 table tagged task this throughout time timeprecision timeunit tran tri tri0
    tri1 triand trior trireg type typedef union unique unique0 unsigned until untyped use uwire var vectored virtual
    void wait wand weak weak0 weak1 while wildcard wire with within wor xnor xor
    abort asm auto bitand bitor bool catch char compl concept delete double explicit export float friend goto huge
    inline interrupt long mutable near requires restrict synchronized
    namespace noexcept operator private public register short sizeof switch template throw try typename using volatile
    """.split()
)


def choose_names(modules: list[Module], taken: set[str]) -> dict[str, str]:
    """Rename everything in a design whose first module is the top and whose other modules are each used once, or
    given. No module gets a name that is ``taken``; the names given are, from then on. Returns the new names of the
    top's nets."""
    return _Design(modules, taken).rename(modules[0])


def order_nets(module: Module, streams=()):
    """Ports: clock and reset first, then those that ``streams`` names, or names the beginnings of, in that order,
    ``valid`` and ``ready`` first, then the others. Inner nets by the alphabet, numbers by size."""
    ports = [name for name, net in module.nets.items() if net.direction]
    streams = streams or sorted({name.rpartition("_")[0] for name in ports if name.endswith(("_valid", "_ready"))})

    def place(port: str) -> tuple:
        if port in ("clk", "rst"):
            return (0, port)
        for number, stream in enumerate(streams):
            if port == stream or port.startswith(f"{stream}_"):
                return (1, number, not port.endswith("_valid"), not port.endswith("_ready"))
        return (2,)

    def natural(name: str) -> list:
        return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]

    inner = sorted((name for name, net in module.nets.items() if not net.direction), key=natural)
    module.nets = {name: module.nets[name] for name in [*sorted(ports, key=place), *inner]}


class _Design:
    def __init__(self, modules: list[Module], taken: set[str]):
        self.modules = {module.name: module for module in modules}
        self.module_names = taken
        taken |= KEYWORDS | {module.name for module in modules if module.given is not None}

    def rename(self, module: Module, known_as: dict[str, str] | None = None) -> dict[str, str]:
        """Rename a module and those below; returns the new names of its nets. ``known_as``: what its ports are called
        where it is used, for those whose own name is none, or that of another one."""
        if module.given is not None:
            return {net: net for net in module.nets}
        module.name = unique(plain(module.name), self.module_names)
        taken = set(KEYWORDS)
        for states in module.states.values():
            states.update({value: unique(plain(name), taken) for value, name in states.items()})
        names = self._ports(module, known_as or {}, taken)
        for instance in module.instances:
            self._instance(module, instance, taken)
        self._connections(module, names, taken)
        registers, users = _registers(module), _users(module.instances)
        for net in module.nets:
            if net not in names and plain(net):
                name = plain(net)
                if name in taken:  # after the instance that takes it; a register as netlists call them
                    name = users.get(net) or (f"{name}_reg" if net in registers else name)
                names[net] = unique(name, taken)
        for net, purpose in _purposes(module, names):
            names[net] = unique(purpose, taken)
        names |= {net: unique("net", taken) for net in module.nets if net not in names}
        module.nets = {names[net]: details for net, details in module.nets.items()}
        module.states = {names[net]: states for net, states in module.states.items()}
        module.replace(lambda ref: Ref(names[ref.net], ref.high, ref.low, ref.whole))
        return names

    def _ports(self, module: Module, known_as: dict[str, str], taken: set[str]) -> dict[str, str]:
        """Ports keep their names. Those that would share one are called after what they are connected to: the port of
        an instance within, or beside the module; a port without a name, after the net it is connected to."""
        ports = [net for net, details in module.nets.items() if details.direction]
        shared = Counter(map(plain, ports))
        inside = _users(module.instances)
        names = {net: unique(plain(net), taken) for net in ports if plain(net) and shared[plain(net)] == 1}
        for net in ports:
            if net not in names:
                names[net] = unique(inside.get(net) or known_as.get(net) or plain(net) or "port", taken)
        return names

    def _instance(self, module: Module, instance: Instance, taken: set[str]):
        child = self.modules[instance.module]
        ports = self.rename(child, self._known_as(module, instance))
        instance.module = child.name
        instance.ports = {ports[port]: expr for port, expr in instance.ports.items()}
        base = plain(instance.name)
        hidden = base in taken or base in child.nets or base in child.inner  # a net may not hide the instance it is in
        instance.name = unique(f"u_{base}" if hidden else base, taken)

    def _known_as(self, module: Module, instance: Instance) -> dict[str, str]:
        """What an instance's ports are connected to: a port of one other instance, else a net."""
        others = [other for other in module.instances if other is not instance]
        users = _users(others)
        known = {}
        for port, expr in instance.ports.items():
            nets = {ref.net for ref in refs(expr)}
            if len(nets) == 1:
                (net,) = nets
                known[port] = users.get(net) or plain(net)
        return known

    def _connections(self, module: Module, names: dict[str, str], taken: set[str]):
        """Nets that an instance drives, or that only exist to drive it, are called after it and its port."""
        children = {child.name: child for child in self.modules.values()}
        registers, users = _registers(module), _users(module.instances)
        for direction in ("output", "input"):
            for instance in module.instances:
                for port, expr in instance.ports.items():
                    if children[instance.module].nets[port].direction != direction:
                        continue
                    parts = [ref.net for ref in refs(expr) if ref.net not in names]
                    if direction == "input":
                        parts = [net for net in parts if net not in registers and plain(net) == port.rstrip("_")]
                    shared = Counter(map(plain, parts))
                    for net in parts:
                        end = port if len(parts) == 1 else plain(net)
                        end = f"{port}_unused" if net.endswith(".unused") else end
                        name = f"{instance.name.removeprefix('u_')}_{end}".rstrip("_")
                        # Nets of one name are called after the instances that take them
                        names[net] = unique(users.get(net, name) if shared[plain(net)] > 1 else name, taken)


def _registers(module: Module) -> set[str]:
    """The nets that are registers, all of their bits or some."""
    clocked = (process for process in module.processes if process.clock)
    return {ref.net for process in clocked for assign in assigns_in(process.body) for ref in refs(assign.target)}


def _users(instances: list[Instance]) -> dict[str, str]:
    """Nets of which a single port of these instances has all bits: name of the instance, and of the port."""
    users = {}
    for instance in instances:
        for port, expr in instance.ports.items():
            if isinstance(expr, Ref) and expr.whole:
                users.setdefault(expr.net, []).append((plain(instance.name), plain(port)))
    return {net: f"{name}_{port}" for net, [(name, port), *more] in users.items() if port and not more}


def plain(name: str) -> str:
    """``name`` as Verilog allows it: ``o__payload$31.data`` is ``o_data``, ``rows[3].c`` is ``rows_3_c``.

    Empty for a net with no more than a number, and for unused bits.
    """
    if re.match(r"\$\d|port\$", name) or name.endswith(".unused"):
        return ""
    name = re.sub(r"\$\d+", "", name).replace("__payload.", "_")
    return re.sub(r"\W+|__+", "_", name).strip("_")


def unique(name: str, taken: set[str]) -> str:
    """``name``, or ``name_2`` and so on if it is taken; it is from now on."""
    free = f"{name}_" if name in KEYWORDS else name
    count = 1
    while free in taken:
        count += 1
        free = f"{name}_{count}"
    taken.add(free)
    return free


def _purposes(module: Module, names: dict[str, str]) -> Iterator[tuple[str, str]]:
    """The nets that have no name of their own, each with a name after what it is for.

    ``names`` must fill up while this goes on: the assignments are gone through backwards, so that what a net is
    assigned to mostly has its name by then.
    """
    in_processes = [(process, assign) for process in module.processes for assign in assigns_in(process.body)]
    for process, assign in reversed([*((None, assign) for assign in module.assigns), *in_processes]):
        target = names.get(next(refs(assign.target)).net, "net")
        for ref in refs(assign.value):
            if ref.net not in names:
                yield ref.net, f"{target}_{'next' if process and process.clock else 'value'}"
    for process in module.processes:
        for condition, target in _decisions(process.body):
            for ref in refs(condition):
                if ref.net not in names:
                    yield ref.net, f"{names.get(target, 'net')}_when"
    for assign in module.assigns:
        *_, last = ["net", *(names[ref.net] for ref in refs(assign.target) if ref.net in names)]
        for ref in refs(assign.target):
            if ref.net not in names:
                yield ref.net, f"{last}_unused"


def _decisions(body: tuple) -> Iterator[tuple[Expr, str]]:
    """Every condition and case subject, with the first net that is assigned to under it."""
    for statement in body:
        if isinstance(statement, If | Case):
            target = next(assigns_in((statement,))).target
            yield next(reads_in((statement,))), next(refs(target)).net
            if isinstance(statement, If):
                branches = statement.then, statement.otherwise
            else:
                branches = [inner for _, inner in statement.items]
            for branch in branches:
                yield from _decisions(branch)
