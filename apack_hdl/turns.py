"""Streams that take turns in one pipeline: whose turn it is, registers between stages, and each stream's state."""

from collections.abc import Sequence

from amaranth import Cat, Module, Signal, Value

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
        self._versions: dict[str, tuple[int, list[Signal], bool]] = {}
        self._states: dict[str, tuple[int, Signal]] = {}
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

    def put(self, name: str, value: Value, *, reset: bool = False) -> Signal:
        """Name a value of the current stage. With ``reset`` its later registers are 0 after reset, without they are
        anything."""
        signal = Signal(len(value), name=f"{name}_{self.stage}")
        self.m.d.comb += signal.eq(value)
        self._versions[name] = self.stage, [signal], reset
        return signal

    def __getitem__(self, name: str) -> Signal:
        """What :meth:`put` named, as it is for the stream at the current stage."""
        first, versions, reset = self._versions[name]
        assert first <= self.stage
        while first + len(versions) <= self.stage:
            before = versions[-1]
            register = Signal(len(before), name=f"{name}_{first + len(versions)}", reset_less=not reset)
            self.m.d.sync += register.eq(before)
            versions.append(register)
        return versions[self.stage - first]

    def recall(self, name: str, shape, *, reset: bool = False) -> Signal:
        """A stream's state as its last turn left it. :meth:`keep` must follow, in this stage or up to S-1 later."""
        signal = Signal(shape, name=f"{name}_state", reset_less=not reset)
        self._states[name] = self.stage, signal, reset
        return signal

    def keep(self, name: str, value: Value):
        """Leave a state for the stream's next turn."""
        stage, recalled, reset = self._states.pop(name)
        registers = self.streams - (self.stage - stage)
        assert registers >= 1, f"{name} is kept {self.stage - stage} stages behind where it is recalled"
        for k in range(registers - 1):
            register = Signal(len(Value.cast(recalled)), name=f"{name}_wait{k}", reset_less=not reset)
            self.m.d.sync += register.eq(value)
            value = register
        self.m.d.sync += recalled.eq(value)
