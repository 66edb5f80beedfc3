"""The HTML report: one file with style, script and data in it; nothing is fetched when it is opened.

``report.html`` is the frame, ``report.css`` its looks; the scripts draw tables and pictures from the data, which is a
footprint's document in short form: rows instead of objects, whole bits, histograms in base64. ``base.js`` has what all
share, ``overview.js`` all models side by side, ``model.js`` one of them, ``start.js`` sets it going.
"""

import base64
import json
from importlib import resources
from string import Template

from ..footprint import group_of
from .markdown import PUBLISHED

# Tensors with a picture, of each model: those that move most. A picture takes about 700 bytes.
PICTURES = 1000
SCRIPTS = ("base", "overview", "model", "start")
SUMS = ("tensors", "values", "raw_bits", "floor_bits", "bound_bits", "apack_bits", "self_bits")


def html(document: dict) -> str:
    """The report of a footprint (:func:`golden.footprint.document`), as the text of an HTML file.

    Tensors that were measured with ``Settings(pictures=True)`` have pictures, up to ``PICTURES`` of each model.
    """
    files = resources.files(__package__)
    style, frame = (files.joinpath(f"report.{kind}").read_text("utf-8") for kind in ("css", "html"))
    script = "".join(files.joinpath(f"{name}.js").read_text("utf-8") for name in SCRIPTS)
    data = json.dumps(short_form(document), separators=(",", ":"), allow_nan=False)
    # "</" would end the script early; "<!--" would begin a comment in it.
    return Template(frame).substitute(style=style, script=script, data=data.replace("<", "\\u003c"))


def short_form(document: dict) -> dict:
    """What the report's script reads."""
    names = document["settings"]["rivals"]
    return {
        "settings": document["settings"],
        "rivals": [[name, _title(name)] for name in names],
        "summary": {kind: document["summary"][kind] for kind in PUBLISHED if kind in document["summary"]},
        "published": PUBLISHED,
        "models": [_model(model, names) for model in document["models"]],
    }


def _title(name: str) -> str:
    from ..rivals import RIVALS  # only reports with rivals need them

    return RIVALS[name].title if name in RIVALS else name


def _model(model: dict, names: list[str]) -> dict:
    tensors = model["tensors"]
    largest = sorted(range(len(tensors)), key=lambda i: -tensors[i]["share"])[:PICTURES]
    info = {key: value for key, value in model["info"].items() if isinstance(value, str | int | float)}
    return {
        "name": model["name"],
        "info": info,
        "totals": {name: _sums(sums, names) for name, sums in model["totals"].items()},
        "roles": {name: _sums(sums, names) for name, sums in model["roles"].items()},
        "whole": model["totals"]["all"]["whole"]["values"],
        "layers": [_layer(layer, names) for layer in model["layers"]],
        "tensors": [_tensor(tensor, names) for tensor in tensors],
        "pictures": {i: _picture(tensors[i]["picture"]) for i in sorted(largest) if "picture" in tensors[i]},
    }


def _sums(sums: dict, names: list[str]) -> list:
    return [round(sums[name]) for name in SUMS] + [_rivals(sums, names), sums["loss"]]


def _layer(layer: dict, names: list[str]) -> list:
    texts = [layer["name"], layer["kind"], layer["op"] or ""]
    return texts + [round(layer["share"], 6), *_bits(layer), _rivals(layer, names), layer["tensors"]]


def _tensor(t: dict, names: list[str]) -> list:
    name = t["name"] if t["input"] is None else f"{t['name']} [{t['input']}]"
    texts = [name, group_of(t), t["op"] or ""]
    rest = [t["width"], t["whole_values"], t["table_from"], t["rows"]]
    return texts + [round(t["share"], 6), *_bits(t), _rivals(t, names), *rest]


def _bits(item: dict) -> list[int]:
    return [round(item[f"{name}_bits"]) for name in ("raw", "floor", "bound", "apack")]


def _rivals(item: dict, names: list[str]) -> list[int]:
    return [round(item["rivals"][name]) for name in names]


def _picture(picture: dict) -> list:
    bars = base64.b64encode(bytes(picture["bars"])).decode()
    return [int(picture["signed"]), bars, picture["v_min"], picture["counts"]]
