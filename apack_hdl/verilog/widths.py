"""Every expression gets exactly the width of what it is assigned to."""

from .tree import Assign, Cat, Module, Net, Ref, exact, fit, rewrite


def make_exact(module: Module):
    """Spell out what Verilog would stretch or cut without saying so, in assignments and conditions."""
    new_nets = {}

    def assignment(assign: Assign) -> tuple:
        value = fit(assign.value, assign.target.width)
        if value is not None:
            return (Assign(assign.target, value),)
        # Bits shifted down from above the target have to land somewhere
        value = exact(assign.value)
        above = f"{assign.target.net}.above"
        new_nets[above] = Net(value.width - assign.target.width)
        return (Assign(Cat((Ref(above, new_nets[above].width - 1, 0), assign.target)), value),)

    module.assigns = [new for assign in module.assigns for new in assignment(assign)]
    for process in module.processes:
        process.body = rewrite(process.body, assignment, exact)
    module.nets.update(new_nets)

