"""Streams that take turns in one pipeline: whose turn it is, registers between stages, and each stream's state."""

from collections.abc import Sequence

from amaranth import Cat, Module, Mux, Signal, Value

from .arithmetic import select


class Turns:
    """A pipeline that S >= 2 streams go through in turn, one stream a cycle, in a fixed order.

    In each cycle one stream is at stage 0, the one before it at stage 1, and so on; S cycles later it is that stream's
    turn again. So a recurrence may take up to S stages, and what a stream has to remember between its turns travels
    round in S registers, with no enables and no multiplexers to choose among streams.

    This is a helper of components, not one itself: it adds to the module ``m`` that it is given. Stages are described
    one after the other: :meth:`put` names a value of the current stage, ``turns[name]`` is that value in the current
    stage, through as many registers as there are stages in between, and :meth:`cut` goes on to the next stage.

    Parameters
    ----------
    m : the module to add to.
    streams : S.
    """

    def __init__(self, m: Module, streams: int):
        self.m, self.streams, self.stage = m, streams, 0
        self._versions: dict[str, tuple[int, list[Signal], int | None]] = {}
        self._states: dict[str, tuple[int, Signal, int | None]] = {}
        self._slot = Signal(streams, init=1, name="slot")
        m.d.sync += self._slot.eq(Cat(self._slot[-1], self._slot[:-1]))

    def cut(self):
        """End the stage: what is described from here on happens a cycle later."""
        self.stage += 1

    def here(self, stream: int) -> Value:
        """Whether ``stream`` is at the current stage."""
        return self._slot[(stream + self.stage) % self.streams]

    def pick(self, name: str, entries: Sequence[Value]) -> Signal:
        """Of one entry per stream that of the stream at the current stage; available as ``turns[name]`` too."""
        chosen = Cat(self.here(stream) for stream in range(self.streams))
        return self.put(name, select(self.m, chosen, entries, f"{name}_picked"))

    def park(self, names: Sequence[str], arrives: Value, leaves: Value) -> Signal:
        """End the stage like :meth:`cut`, but what ``arrives`` at its end waits, turn by turn, until it ``leaves``.

        What waits goes round in S registers and is there, under its ``names``, in every turn of its stream; nothing
        else is, from here on. Nothing must arrive where something else stays. Returns whether there is anything;
        ``leaves`` belongs to the stage that begins here.
        """
        m, new = self.m, Cat(*(self[name] for name in names))
        full, waits = Signal(name=f"full_{self.stage + 1}"), Signal(name=f"waits_{self.stage + 1}")
        parked = Signal(len(new), name=f"parked_{self.stage + 1}", reset_less=True)
        m.d.comb += waits.eq(full & ~leaves)
        still, old = waits, parked
        for k in range(self.streams - 1):
            still_before, still = still, Signal(name=f"still_{self.stage + 1}_{k}")
            old_before, old = old, Signal(len(new), name=f"old_{self.stage + 1}_{k}", reset_less=True)
            m.d.sync += [still.eq(still_before), old.eq(old_before)]
        m.d.sync += [full.eq(arrives | still), parked.eq(Mux(arrives, new, old))]
        widths, at = [len(self[name]) for name in names], 0
        self._versions = {}
        self.cut()
        for name, width in zip(names, widths, strict=True):
            self.put(name, parked[at : at + width])
            at += width
        return full

    def put(self, name: str, value: Value, *, init: int | None = None) -> Signal:
        """Name a value of the current stage. Its later registers are ``init`` after reset, or anything if that is not
        given."""
        signal = Signal(len(value), name=f"{name}_{self.stage}")
        self.m.d.comb += signal.eq(value)
        self._versions[name] = self.stage, [signal], init
        return signal

    def __getitem__(self, name: str) -> Signal:
        """What :meth:`put` named, as it is for the stream at the current stage."""
        first, versions, init = self._versions[name]
        assert first <= self.stage
        while first + len(versions) <= self.stage:
            before = versions[-1]
            place = f"{name}_{first + len(versions)}"
            register = Signal(len(before), name=place, init=init, reset_less=init is None)
            self.m.d.sync += register.eq(before)
            versions.append(register)
        return versions[self.stage - first]

    def recall(self, name: str, shape, *, init: int | None = None) -> Signal:
        """A stream's state as its last turn left it, or ``init`` after reset; anything if that is not given.
        :meth:`keep` must follow, in this stage or up to S-1 later."""
        signal = Signal(shape, name=f"{name}_state", init=init, reset_less=init is None)
        self._states[name] = self.stage, signal, init
        return signal

    def keep(self, name: str, value: Value):
        """Leave a state for the stream's next turn."""
        stage, recalled, init = self._states.pop(name)
        registers = self.streams - (self.stage - stage)
        assert registers >= 1, f"{name} is kept {self.stage - stage} stages behind where it is recalled"
        for k in range(registers - 1):
            register = Signal(len(Value.cast(recalled)), name=f"{name}_wait{k}", init=init, reset_less=init is None)
            self.m.d.sync += register.eq(value)
            value = register
        self.m.d.sync += recalled.eq(value)
