"use strict";
const DATA = JSON.parse(document.getElementById("data").textContent);
const RIVALS = DATA.rivals.map(([name]) => name);
const PAGE = 25, BARS = 60; // rows of a table page; layers drawn one by one
const $id = (id) => document.getElementById(id);
let model = DATA.models[0];

// --- small helpers ---------------------------------------------------------------------------------------------
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}
function shape(tag, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  return made;
}
function titled(made, text) { made.append(shape("title", {}, text)); return made; }
function drawing(holder, height, label) {
  const width = Math.max(280, holder.clientWidth);
  const svg = shape("svg", {width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label});
  holder.replaceChildren(svg);
  return [svg, width];
}
const count = (n) => Math.round(n).toLocaleString("en");
const ratio = (part, whole) => whole ? (part / whole).toFixed(4) : "–";
const percent = (x, digits = 2) => (100 * x).toFixed(digits) + " %";
const change = (part, whole) => whole ? (part >= whole ? "+" : "−") + percent(Math.abs(part / whole - 1)) : "–";
const loss = (x) => x === null ? "–" : percent(x);
function size(bits) {
  for (const [unit, scale] of [["GB", 8e9], ["MB", 8e6], ["kB", 8e3]])
    if (bits >= scale) return (bits / scale).toFixed(2) + " " + unit;
  return Math.round(bits / 8) + " B";
}
// Converters join the names of fused operators by ";": the first is enough to know the tensor, with its input.
const label = (name) => name.replace(/;.*?( \[[^\]]*\])?$/, "$1");
// Text that ends at x and fits before it; what is too long loses its beginning (of names) or its end.
function fitting(text, x, y, {kind = "", keepEnd = true} = {}) {
  const most = Math.floor(x / 7), name = label(text);
  const short = keepEnd ? "…" + name.slice(1 - most) : name.slice(0, most - 1) + "…";
  return titled(shape("text", {x, y, "text-anchor": "end", class: kind}, name.length <= most ? name : short), text);
}
// What the marks of a drawing mean.
function key(kind, text) {
  const svg = shape("svg", {width: 22, height: 14, "aria-hidden": "true", style: "display:inline-block;vertical-align:middle"});
  svg.append(kind === "fill" || kind === "raw" ? shape("rect", {x: 1, y: 1, width: 20, height: 12, class: kind})
    : kind === "best" ? diamond(11, 7) : shape("line", {x1: 11, x2: 11, y1: 0, y2: 14, class: kind}));
  return element("span", {}, svg, " " + text);
}
const diamond = (x, y) => shape("path", {d: `M${x - 5} ${y}l5 -5 5 5 -5 5z`, class: "best"});
function options(select, entries) {
  select.replaceChildren(...entries.map(([value, text]) => element("option", {value}, text)));
}

// --- sortable tables, a page at a time ---------------------------------------------------------------------------
// columns: [title, value to sort by, text or node to show (of a row), "left" and "extra" (not on a phone), its group]
// On a phone each row becomes a card, its cells named by the columns' titles; roles keep it a table for screen readers.
function cell(row, [title, value, text, how = "", group = ""], first) {
  const shown = (text || value)(row);
  return element("td", {class: how + (shown === "–" ? " nothing" : ""), role: "cell", "data-name": title,
    ...(group ? {"data-group": group} : {}), ...(first ? {"data-first": group} : {})}, shown);
}
function groups(columns) {
  const runs = [];
  for (const [, , , , group = ""] of columns) {
    if (runs.length && runs.at(-1)[0] === group) runs.at(-1)[1]++; else runs.push([group, 1]);
  }
  return runs.length > 1 ? [element("tr", {class: "groups", role: "row"}, ...runs.map(([group, colspan]) =>
    element(group ? "th" : "td", {colspan, scope: "colgroup"}, group)))] : [];
}
function table(id, columns, rows, last = []) {
  const head = element("tr", {role: "row"}), body = element("tbody", {role: "rowgroup"}), pager = $id(id + "-pager");
  let order = rows, by = -1, falling = false, page = 0;
  const cells = columns.map(([title, , , how = "", group = ""], column) => {
    const left = how.includes("left"), button = element("button", {type: "button"}, title);
    if (group) button.setAttribute("aria-label", `${group}, ${title}`);
    button.addEventListener("click", () => {
      falling = by === column ? !falling : !left;
      by = column; page = 0;
      show();
    });
    return element("th", {scope: "col", role: "columnheader", class: how, "data-group": group}, button);
  });
  head.append(...cells);
  const made = $id(id + "-table");
  made.setAttribute("role", "table");
  made.replaceChildren(element("thead", {role: "rowgroup"}, ...groups(columns), head), body);
  if (last.length) made.append(element("tfoot", {role: "rowgroup"}, ...last.map(line)));
  function line(row) { return element("tr", {role: "row"}, ...columns.map((column, i) =>
    cell(row, column, column[4] && column[4] !== columns[i - 1]?.[4]))); }
  function show() {
    order = rows;
    if (by >= 0) {
      const value = columns[by][1], sign = falling ? -1 : 1;
      order = [...rows].sort((a, b) => (value(a) < value(b) ? -sign : value(a) > value(b) ? sign : 0));
    }
    cells.forEach((cell, i) => i === by ? cell.setAttribute("aria-sort", falling ? "descending" : "ascending")
      : cell.removeAttribute("aria-sort"));
    const some = pager ? order.slice(page * PAGE, (page + 1) * PAGE) : order;
    body.replaceChildren(...some.map(line));
    if (pager) turn();
  }
  function turn() {
    const pages = Math.max(1, Math.ceil(rows.length / PAGE));
    const move = (text, by) => {
      const button = element("button", {type: "button"}, text);
      button.disabled = page + by < 0 || page + by >= pages;
      button.addEventListener("click", () => { page += by; show(); });
      return button;
    };
    const where = `${count(rows.length)} rows` + (pages > 1 ? `, page ${page + 1} of ${pages}` : "");
    pager.replaceChildren(...(pages > 1 ? [move("Previous", -1), move("Next", 1)] : []), where);
  }
  show();
}
