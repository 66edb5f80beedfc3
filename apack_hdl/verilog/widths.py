"""Widths: every expression gets exactly the width of what it is assigned to, so that Verilog has nothing to stretch
or cut without saying so, and an expression means the same wherever it stands."""

from .tree import (
    ARITHMETIC,
    BITWISE,
    CHOICES,
    COMPARISONS,
    Assign,
    Cat,
    Const,
    Expr,
    Module,
    Net,
    Op,
    Ref,
    cat,
    rewrite,
)


def make_exact(module: Module):
    """Give all assigned values and conditions of a module their exact widths."""
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
        case Op(name, (selector, *branches)) if name in CHOICES:
            branches = [select(fit(branch, expr.width), high, low) for branch in branches]
            return None if None in branches else Op(name, (selector, *branches))
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
        case Op(name, (selector, *branches)) if name in CHOICES:
            branches = [fit(branch, width) for branch in branches]
            return None if None in branches else Op(name, (exact(selector), *branches))
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
            left, right = fit(left, width), fit(right, width)
            # Lint complains of comparisons that every number passes, or none.
            for always, fails, bound in (("<=", ">", Const("1" * width)), (">=", "<", Const("0" * width))):
                if name in (always, fails) and right == bound:
                    return Const("1" if name == always else "0")
            return Op(name, (left, right))
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
