"""The HTML report of a system document: one file, with its pictures in it."""

from html import escape

from .tables import (
    answer_lines,
    block_rows,
    layer_rows,
    lost_rows,
    model_rows,
    need_rows,
    scheme_rows,
    sensitivity_rows,
    summary_rows,
    technology_rows,
    warning,
)

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 62em; padding: 0 1em; color: #222 }
table { border-collapse: collapse; margin: 1em 0; font-size: 13px }
td, th { padding: 2px 9px; border-bottom: 1px solid #ddd; text-align: right }
td:first-child, th:first-child { text-align: left }
svg { max-width: 100%; height: auto }
details { margin: 1em 0 }
"""


def html(document: dict, drawn: list[dict[str, bytes]], gains: bytes) -> str:
    """The report as the text of an HTML file; ``drawn``: :func:`golden.system.plots.pictures` of each model."""
    machine, memory = document["machine"], document["memory"]
    parts = [
        f"<h1>{escape(machine['title'])}, {escape(memory['title'])}</h1>",
        f"<p>batch {document['options']['batch']}"
        + (f", one token after {document['options']['context']}" if document["options"]["context"] else "") + "</p>",
    ]
    if len(document["models"]) > 1:
        parts += [_inline(gains), _table(*model_rows(document)), _table(*summary_rows(document)),
                  _table(*lost_rows(document["summary"]))]
        if document["options"]["study"]:
            parts += [_table(*need_rows(document, document["summary"])), _table(*sensitivity_rows(document["summary"]))]
    for model, some in zip(document["models"], drawn, strict=True):
        parts += _model(document, model, some)
    sources = machine["sources"] | {"memory": memory["source"]}
    items = "".join(f"<li><b>{escape(k)}</b>: {escape(str(v))}</li>" for k, v in sources.items())
    parts.append(f"<h2>Sources</h2><ul>{items}</ul>")
    body = "\n".join(parts)
    return (f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>apack system</title>'
            f"<style>{STYLE}</style></head><body>\n{body}\n</body></html>\n")


def _model(document: dict, model: dict, drawn: dict[str, bytes]) -> list[str]:
    warned = [f"<p><b>{escape(line)}</b></p>" for line in warning(model)]
    parts = [f"<h2>{escape(model['name'])}</h2>", *warned, _table(*scheme_rows(model)),
             "<h3>Where the gain of compression alone goes</h3>", _table(*lost_rows(model["schemes"]))]
    parts += [f"<p>{escape(line)}</p>" for line in answer_lines(document, model)]
    parts += [_inline(svg) for svg in drawn.values()]
    if "answers" in model:
        answers = model["answers"]
        for title, rows in (("Memory that keeps the speed of raw storage", need_rows(document, answers["schemes"])),
                            ("Memories, APack chosen", technology_rows(answers)),
                            ("Parameters", sensitivity_rows(answers["schemes"])),
                            ("One block length for all, everything coded", block_rows(answers))):
            parts += [f"<h3>{title}</h3>", _table(*rows)]
    parts.append(f"<details><summary>Layers</summary>{_table(*layer_rows(model))}</details>")
    return parts


def _inline(svg: bytes) -> str:
    """An SVG file without its XML prologue."""
    text = svg.decode("utf-8")
    return text[text.index("<svg") :]


def _table(columns, rows) -> str:
    head = "".join(f"<th>{escape(c)}</th>" for c in columns)
    body = "".join("<tr>" + "".join(f"<td>{escape(c)}</td>" for c in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"
