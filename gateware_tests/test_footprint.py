"""Whole-model footprints: sizes are those of real files, everything is counted, sums add up."""

import json
import os
import time
import zlib

import numpy as np
import pytest

from golden.archive import FRONT_BYTES, archive
from golden.codec import to_codes
from golden.config import CodecConfig
from golden.container import Reader, compress
from golden.footprint import (
    Settings,
    footprint,
    measure,
    pack_footprint,
    tensor_footprint,
    tensor_sizes,
    together,
    workers,
)
from golden.footprint.smoothing import WAYS, losses
from golden.header import Header
from golden.sample import PATH
from golden.search import histogram, search_table
from golden.table import SymbolTable
from golden.tensors.packs import Pack


def laplacian(count, scale, seed=1):
    values = np.rint(np.random.default_rng(seed).laplace(0, scale, count))
    return np.clip(values, -128, 127).astype(np.int8)


def make_pack(path, tensors):
    """A pack of ``(array, entry)`` pairs."""
    arrays = {f"t{i}": array for i, (array, _) in enumerate(tensors)}
    entries = [{"key": f"t{i}", **entry} for i, (_, entry) in enumerate(tensors)]
    meta = np.frombuffer(json.dumps({"tensors": entries}).encode(), np.uint8)
    np.savez(path, meta=meta, **arrays)
    return path


def header(array, table):
    _, signed = to_codes(array, table.config.width)
    return Header(table.config, array.dtype, array.shape, signed, table)


def own_table(array, config, **options):
    return search_table(config, histogram(to_codes(array, config.width)[0], config.width), **options).table


@pytest.mark.parametrize("scale", [1.5, 4, 12])
def test_large_tensor_is_within_half_a_percent_of_the_bound(scale):
    figures, data = tensor_footprint(laplacian(300_000, scale), CodecConfig())
    assert figures["apack_bits"] == 8 * len(data) == 8 * len(compress(laplacian(300_000, scale)))
    assert figures["floor_bits"] <= figures["bound_bits"] < figures["apack_bits"] <= 1.005 * figures["bound_bits"]


def awkward():
    """Tensors with tables, many of which a size worked out could get wrong."""
    rng = np.random.default_rng(7)
    for mult_bits, prob_bits in ((8, 10), (2, 12), (16, 15), (13, 4)):
        config = CodecConfig(mult_bits=mult_bits, prob_bits=prob_bits, block=700)
        narrow, wide = laplacian(2103, 3), rng.integers(-128, 128, 2100).astype(np.int8)
        mixed = np.concatenate((narrow, wide, np.zeros(699, np.int8)))
        foreign = SymbolTable(config, (0, 9, 250), (0, 1, config.total - 1))  # no code for 0..8
        spiked = np.full(1400, -2, np.int8)
        spiked[1000] = 3  # the only value without a code, in a block that would shrink
        others = narrow.reshape(3, -1), narrow[:1], narrow[:0], np.zeros(5000, np.int8)
        for array in (spiked, narrow, wide, mixed, *others):
            yield array, own_table(array, config, cover_all=True)
            yield array, own_table(mixed, config)
            yield array, foreign
        yield narrow & 15, own_table(narrow & 15, config.with_(width=4))
        words = np.rint(rng.laplace(0, 300, 3000)).astype(np.int16)
        counts = (config.total // 2, 1, config.total // 2 - 1)
        yield words, SymbolTable(config.with_(width=16), (0, 1000, 60000), counts)


def test_sizes_are_those_of_real_files():
    """Short blocks, last blocks, raw blocks, values without a code, tables that do not pay, nothing at all."""
    cases: dict[tuple, list] = {}
    for array, table in awkward():
        cases.setdefault((table.config.prob_bits, table.config.mult_bits), []).append((array, table))
    infos = []
    for some in cases.values():
        files = [compress(array, table=table) for array, table in some]
        codes = (to_codes(array, table.config.width)[0] for array, table in some)
        headers = (header(array, table) for array, table in some)
        sizes = tensor_sizes(zip(headers, codes, strict=True))
        assert [size.file for size in sizes] == [len(data) for data in files]
        named = [(str(i), array, table.config.width) for i, (array, table) in enumerate(some)]
        tables = {str(i): table for i, (_, table) in enumerate(some)}
        for size, one in zip(sizes, named, strict=True):
            together = archive([one], some[0][1].config, tables=tables)
            assert size.archived == len(together) - FRONT_BYTES - len(zlib.compress(one[0].encode(), 9))
        infos += [Reader(data).info() for data in files]
    some_raw = [info for info in infos if 0 < info["raw_blocks"] < info["blocks"]]
    assert some_raw and any(info["rows"] == 0 for info in infos) and any(info["blocks"] > 3 for info in some_raw)


def test_sizes_of_many_lanes(monkeypatch):
    """More blocks than run together, of all lengths, and blocks longer than a chunk."""
    monkeypatch.setattr("golden.footprint.sizes.LANES", 16)
    monkeypatch.setattr("golden.footprint.sizes.CHUNK_VALUES", 1 << 10)
    config = CodecConfig(block=300)
    arrays = [laplacian(count, 5, seed=count) for count in (1, 2, 299, 300, 301, 9000, 40, 4100)]
    tables = [own_table(array, config) for array in arrays]
    sizes = tensor_sizes((header(a, t), to_codes(a, 8)[0]) for a, t in zip(arrays, tables, strict=True))
    assert [size.file for size in sizes] == [len(compress(a, table=t)) for a, t in zip(arrays, tables, strict=True)]


def test_sizes_need_one_coder():
    tables = [own_table(laplacian(50, 2), CodecConfig(mult_bits=m)) for m in (8, 9)]
    with pytest.raises(ValueError, match="prob_bits and mult_bits must be the same"):
        tensor_sizes((header(laplacian(50, 2), table), to_codes(laplacian(50, 2), 8)[0]) for table in tables)


def test_sample(monkeypatch):
    """The sample's tensors are small: what each needs besides its values is bounded in bytes instead."""
    monkeypatch.setattr("golden.footprint.figures.BATCH_VALUES", 1 << 18)  # several batches
    settings, kept = Settings(), {}
    with Pack(PATH) as pack:
        model = pack_footprint(pack, settings)
        some = [record for record in pack.records if record.key in ("w0000", "w0066", "a0005", "a0060", "a0109")]
        checked = list(measure(pack, together(some), Settings(verify=True), keep=kept.__setitem__))
    assert set(model["totals"]) == {"weights", "activations", "all"}
    assert sum(len(data) for data in kept.values()) * 8 == sum(t["apack_bits"] for t in checked)
    whole, weights, activations = (model["totals"][name] for name in ("all", "weights", "activations"))
    for name in ("values", "raw_bits", "floor_bits", "bound_bits", "apack_bits", "self_bits"):
        assert whole[name] == pytest.approx(weights[name] + activations[name])
        assert whole[name] == pytest.approx(sum(t[name] for t in model["tensors"]))
    besides = whole["self_bits"] - whole["bound_bits"] * 1.002  # the coder's own loss is below 0.2 %
    assert 0 < besides / 8 <= 75 * len(model["tensors"])
    assert weights["loss"] is None and 0 < activations["loss"] < 0.03


def test_activations_are_coded_with_tables_of_other_inputs(tmp_path):
    """The third input is unlike the others: its file is that of a table which has seen only them."""
    arrays = [laplacian(4000, 3, 1), laplacian(4000, 3, 2), laplacian(4000, 20, 3)]
    entry = {"kind": "activation", "name": "relu"}
    pack = make_pack(tmp_path / "p.npz", [(a, entry | {"input": i}) for i, a in enumerate(arrays)])
    counts = [histogram(to_codes(a, 8)[0], 8) for a in arrays]
    others, own, verified = (footprint([pack], settings)["models"][0] for settings in (
        Settings(), Settings(activation_tables="self"), Settings(verify=True)))
    for i, (array, one, self) in enumerate(zip(arrays, others["tensors"], own["tensors"], strict=True)):
        table = search_table(CodecConfig(), sum(counts) - counts[i], cover_all=True).table
        assert (one["table_from"], self["table_from"]) == ("others", "self")
        assert one["apack_bits"] == 8 * len(compress(array, table=table))
        assert one["self_bits"] == self["apack_bits"] == self["self_bits"] == 8 * len(compress(array))
    assert others["tensors"] == verified["tensors"]
    assert others["totals"]["all"]["loss"] > 0.1 and own["totals"]["all"]["loss"] is None


def test_two_inputs_and_one(tmp_path):
    arrays = [laplacian(3000, 3, 1), laplacian(3000, 9, 2)]
    entry = {"kind": "activation", "name": "relu"}
    two = make_pack(tmp_path / "two.npz", [(a, entry | {"input": i}) for i, a in enumerate(arrays)])
    one = make_pack(tmp_path / "one.npz", [(arrays[0], entry | {"input": 0}), (arrays[1], {"kind": "weight"})])
    found = footprint([two])["models"][0]["tensors"]
    for figures, array, other in zip(found, arrays, arrays[::-1], strict=True):
        assert figures["apack_bits"] == 8 * len(compress(array, table=own_table(other, CodecConfig(), cover_all=True)))
    assert [t["table_from"] for t in footprint([one])["models"][0]["tensors"]] == ["only input", "self"]


def test_layers_roles_shares_and_beginnings(tmp_path):
    """Sums by layer and role, tensors of which the pack has a beginning, activations averaged over inputs."""
    weight, activation = {"kind": "weight", "layer": "a", "role": "feed-forward"}, {"kind": "activation", "name": "x"}
    pack = make_pack(tmp_path / "p.npz", [
        (laplacian(1000, 3), weight | {"n_total": 4000}),
        (laplacian(500, 9), weight),
        (laplacian(2000, 5, 1), activation | {"layer": "b", "input": 0}),
        (laplacian(2000, 6, 2), activation | {"layer": "b", "input": 1}),
    ])
    model = footprint([pack])["models"][0]
    w, v, x, y = model["tensors"]
    assert (w["values"], w["whole_values"], v["whole_values"]) == (1000, 4000, 500)
    assert model["totals"]["weights"]["apack_bits"] == w["apack_bits"] + v["apack_bits"]
    assert model["totals"]["weights"]["whole"]["apack_bits"] == 4 * w["apack_bits"] + v["apack_bits"]
    assert model["roles"] == {"feed-forward": model["totals"]["weights"]}
    a, b = model["layers"]
    assert (a["name"], a["kind"], a["tensors"], b["name"], b["kind"]) == ("a", "weights", 2, "b", "activations")
    assert b["raw_bits"] == 2000 * 8 and b["apack_bits"] == (x["apack_bits"] + y["apack_bits"]) / 2
    assert a["share"] == pytest.approx(4500 / 6500) and sum(t["share"] for t in model["tensors"]) == pytest.approx(1)


def test_the_headline_is_what_was_measured(tmp_path):
    """A beginning may be unlike the rest: whole tensors go by the entropy that is stated."""
    entry = {"kind": "weight", "n_total": 10_000, "h_full": 6.0}
    calm = laplacian(1000, 2)
    path = make_pack(tmp_path / "p.npz", [(calm, entry), (calm, {"kind": "weight"}), (calm, entry | {"h_full": 9})])
    model = footprint([path])["models"][0]
    stated, plain, wrong = model["tensors"]
    sums, bits = model["totals"]["weights"], stated["apack_bits"]
    assert sums["values"] == 3000 and sums["apack_bits"] == 3 * bits == 3 * 8 * len(compress(calm))
    assert stated["whole_floor_bits"] == 60_000 and wrong["whole_floor_bits"] == pytest.approx(10 * plain["floor_bits"])
    whole = 10 * bits + 60_000 - 10 * stated["floor_bits"]  # beyond the entropy, it grows with the number of values
    assert sums["whole"]["apack_bits"] == pytest.approx(whole + bits + 10 * bits, abs=0.01)
    assert sums["whole"]["values"] == 21_000 and sums["whole"]["raw_bits"] == 8 * 21_000
    noisy = make_pack(tmp_path / "q.npz", [(calm, entry | {"h_full": 7.99})])
    whole = footprint([noisy])["models"][0]["totals"]["all"]["whole"]
    assert whole["floor_bits"] == pytest.approx(79_900) and whole["apack_bits"] == whole["raw_bits"]


def test_a_table_from_the_first_input(tmp_path):
    """The first input is only profiled: what it takes with its own table is no loss, and apart from the others."""
    arrays = [laplacian(4000, 3 + 2 * i, i) for i in range(3)]
    entry = {"kind": "activation", "name": "relu"}
    tensors = [(a, entry | {"input": i}) for i, a in enumerate(arrays)] + [(arrays[0], entry | {"name": "one"})]
    path = make_pack(tmp_path / "p.npz", tensors)
    document = footprint([path], Settings(activation_tables="first"))
    model, table = document["models"][0], own_table(arrays[0], CodecConfig(), cover_all=True)
    assert [t["table_from"] for t in model["tensors"]] == ["self", "first", "first", "only input"]
    assert [t["apack_bits"] for t in model["tensors"][1:3]] == [8 * len(compress(a, table=table)) for a in arrays[1:]]
    some = model["tensors"][1:3]
    loss = sum(t["apack_bits"] for t in some) / sum(t["self_bits"] for t in some) - 1
    assert model["profiled"]["tensors"] == 2 and model["profiled"]["loss"] == pytest.approx(loss)
    assert model["totals"]["all"]["loss"] == pytest.approx(loss) == document["summary"]["activations"]["mean_loss"]
    means = {name: document["summary"][name]["mean"]["apack"] for name in ("profiled", "activations")}
    assert means["profiled"] == sum(t["apack_bits"] for t in some) / (2 * 4000 * 8) != means["activations"]
    others = [t["table_from"] for t in footprint([path])["models"][0]["tensors"]]
    assert others == ["others", "others", "others", "only input"]


def test_width_of_the_pack_counts(tmp_path):
    """Values of 4 bits that are stored in bytes are raw in 4 bits, and the same as without a description of 8."""
    values = np.random.default_rng(1).integers(-8, 8, 5000).astype(np.int8)
    np.savez(tmp_path / "plain.npz", x=values)
    assert footprint([tmp_path / "plain.npz"])["models"][0]["totals"]["all"]["raw_bits"] == 8 * 5000
    four = make_pack(tmp_path / "four.npz", [(values, {"kind": "weight", "name": "x", "bits": 4})])
    assert footprint([four])["models"][0]["totals"]["all"]["raw_bits"] == 4 * 5000


def test_empty_tensors(tmp_path):
    np.savez(tmp_path / "empty.npz", x=np.zeros(0, np.int8), y=np.zeros((0, 3), np.int16))
    model = footprint([tmp_path / "empty.npz"])["models"][0]
    assert model["totals"]["all"]["raw_bits"] == 0 and model["totals"]["all"]["ratio"] is None
    assert [t["apack_bits"] for t in model["tensors"]] == [8 * len(compress(np.zeros(s, k))) for s, k in (
        (0, np.int8), ((0, 3), np.int16))]


def test_tensor_that_is_not_quantized_is_named(tmp_path):
    path = make_pack(tmp_path / "float.npz", [(np.zeros(3, np.int8), {}), (np.zeros(3), {})])
    with pytest.raises(TypeError, match="^t1: tensor must have dtype int8"):
        footprint([path])


def test_width_of_arrays_that_nothing_is_known_about(tmp_path):
    """Integers of 64 bits need one; what a file says of its tensors stands."""
    values = np.arange(-8, 8).repeat(500)
    described = make_pack(tmp_path / "p.npz", [(values.astype(np.int8), {"bits": 6}), (values, {})])
    settings = Settings(width=5)
    found = footprint([described], settings)["models"][0]["tensors"]
    assert [t["width"] for t in found] == [6, 5]
    assert found[1]["apack_bits"] == 8 * len(compress(values, bits=5))
    with pytest.raises(ValueError, match="t1: bits must be given"):
        footprint([described])
    with pytest.raises(ValueError, match="width must be in 2..16, not 17"):
        Settings(width=17)


def test_workers_agree(tmp_path, monkeypatch):
    """Tasks of a few tensors in two processes give the same document, in the same order."""
    monkeypatch.setattr("golden.footprint.run.TASK_VALUES", 1 << 17)
    entry = {"kind": "activation", "name": "relu"}
    tensors = [(laplacian(3000, 2 + i, i), entry | {"input": i}) for i in range(2)]
    tensors += [(laplacian(100 * i, 4, i), {"kind": "weight"}) for i in range(1, 9)]
    pack, done = make_pack(tmp_path / "p.npz", tensors), []
    here, there = footprint([pack]), footprint([pack], jobs=2, progress=lambda n, total: done.append((n, total)))
    for document in (here, there):
        speed = document["models"][0].pop("speed")
        assert 0 < speed["processor_seconds"] < 60
        assert speed["mb_per_s"] == pytest.approx(9600e-6 / speed["processor_seconds"])
    assert here == there
    assert done[0] == (0, 10) and done[-1] == (10, 10) and len(done) > 3


def die(*_):
    os._exit(1)


def test_worker_that_dies_is_an_error():
    with pytest.raises(OSError, match="a worker process has ended"), workers(2) as submit:
        list(submit(die, [(), (), ()]))


def test_workers_end_at_once_when_something_goes_wrong():
    """An interrupt does not wait for what they are at."""
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt), workers(2) as submit:
        for _ in submit(time.sleep, [(0,), (100,), (100,), (100,)]):
            raise KeyboardInterrupt
    assert time.monotonic() - began < 50


def test_cluster_agrees(tmp_path, monkeypatch):
    """Two Dask workers in processes of their own give the same document."""
    distributed = pytest.importorskip("distributed", reason="needs the extra: cluster")
    monkeypatch.setattr("golden.footprint.run.TASK_VALUES", 1 << 17)
    tensors = [(laplacian(100 * i, 4, i), {"kind": "weight"}) for i in range(1, 9)]
    pack = make_pack(tmp_path / "p.npz", tensors)
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        found = [footprint([pack], cluster=address) for address in (cluster.scheduler_address, None)]
    for document in found:
        del document["models"][0]["speed"]
    assert found[0] == found[1]


def test_ways_to_make_tables(tmp_path):
    """What FOOTPRINT.md compares: the plain sum is what the footprint does; the spread of a spike costs."""
    arrays = [laplacian(4000, 3, 1), laplacian(4000, 3, 2), np.full(4000, 5, np.int8), np.full(4000, 5, np.int8)]
    names = ("x", "x", "spike", "spike")
    entries = [{"kind": "activation", "name": name, "input": i} for i, name in enumerate(names)]
    found = losses(make_pack(tmp_path / "p.npz", list(zip(arrays, entries, strict=True))))
    assert set(found) == set(WAYS) and 0 < found["sum"] < 0.02 and min(found.values()) == found["sum"]
    assert found["smoothed, 7"] > found["smoothed, 3"] > 2 * found["sum"] and found["2 % even"] > found["0.1 % even"]
    assert losses(make_pack(tmp_path / "one.npz", [(arrays[0], {"kind": "weight"})])) == {}


def test_wrong_settings():
    with pytest.raises(ValueError, match="activation_tables must be others, first or self, not 'mine'"):
        Settings(activation_tables="mine")
    with pytest.raises(ValueError, match="jobs must be in 1..1024, not 0"):
        footprint([], jobs=0)
