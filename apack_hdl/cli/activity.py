"""Power with the activity that a tensor causes in the netlist."""

from pathlib import Path

import click
import numpy as np

import synth
from golden import codec, search
from golden.sample import PATH as SAMPLE
from golden.tensors.packs import Pack

from ..presets import EnginePreset
from ..simulation.bench import StreamError
from ..simulation.netlist import count_activity
from .inputs import read_tensor
from .support import blame, make_folder


def biggest_of_kind(kind: str, path: Path) -> tuple[str, np.ndarray]:
    """Name and values of the biggest "weight" or "activation" tensor of a pack."""
    with blame(path), Pack(path) as pack:
        own = [(record, array) for record, array in pack if record.kind == kind]
    record, array = max(own, key=lambda pair: pair[1].size)
    return record.name, array


class Stimulus:
    """A tensor to run the engines' netlists on: the one that ``spec`` names, or the sample's biggest weights."""

    def __init__(self, spec: str | None, engines: EnginePreset):
        self.engines, width = engines, engines.codec.width
        if spec is None:
            name, array = biggest_of_kind("weight", SAMPLE)
            self.name = f"{name} of the sample"
        else:
            self.name, array = spec, read_tensor(spec)
        with blame(self.name if spec else "--measured"):
            self.codes, _ = codec.to_codes(array, width)
            if not len(self.codes):
                raise ValueError("must hold at least one value, but is empty")

    def measure(self, report, name: str, folder: Path, step):
        """``report`` of the engine ``name``, synthesized in ``folder``, with the power that was measured."""
        if not report.clock_ghz:
            raise click.ClickException("--measured: no power without OpenSTA (apt-get install opensta)")
        config = self.engines.codec
        table = search.search_table(config, search.histogram(self.codes, config.width)).table
        netlist, counts = synth.gate_level(folder, count_activity=True), folder / "activity"
        result, values = count_activity(
            table, self.codes, name, netlist, counts, options=self.engines.options(name), progress=step,
            build_dir=make_folder(folder.parent / "simulation"),
        )
        if result.mismatch:
            raise StreamError(f"netlist of the {name}: {result.mismatch}")
        power = synth.measured_power(folder, counts, clock_ghz=report.clock_ghz, stimulus=self.name, values=values)
        return report.with_measured_power(power)
