// --- totals -------------------------------------------------------------------------------------------------------
function totals() {
  const groups = Object.entries(model.totals).filter(([, s]) => s[2]);
  $id("cards").replaceChildren(...groups.map(([name, s]) => element("div", {class: "card"}, name,
    element("b", {}, ratio(s[5], s[2])), element("span", {}, `of ${size(s[2])}; entropy ${ratio(s[3], s[2])}`))));
  const rows = [...groups, ...Object.entries(model.roles).map(([name, s]) => ["– " + name, s])];
  table("totals", [
    ["tensors", (r) => r[0], null, "left"],
    ["APack", (r) => r[1][5] / r[1][2], (r) => ratio(r[1][5], r[1][2])],
    ["entropy", (r) => r[1][3] / r[1][2], (r) => ratio(r[1][3], r[1][2])],
    ["bound", (r) => r[1][4] / r[1][2], (r) => ratio(r[1][4], r[1][2])],
    ["over bound", (r) => r[1][5] / r[1][4], (r) => change(r[1][5], r[1][4])],
    ["loss", (r) => r[1][8] ?? -1, (r) => loss(r[1][8])],
    ["raw", (r) => r[1][2], (r) => size(r[1][2])],
    ["as APack", (r) => r[1][5], (r) => size(r[1][5])],
    ["number", (r) => r[1][0], (r) => count(r[1][0])],
    ["values", (r) => r[1][1], (r) => count(r[1][1])],
  ], rows);
  const all = model.totals.all;
  $id("totals-note").textContent = all[1] === model.whole ? "" :
    `These are ${count(all[1])} of ${count(model.whole)} values, the beginnings of tensors.`;
  options($id("group"), groups.map(([name]) => [name, name]));
  $id("group").value = "all";
}

function schemes() {
  const s = model.totals[$id("group").value], raw = s[2];
  const rows = [["raw", raw, "other"], ["entropy (floor)", s[3], "other"], ["bound", s[4], "other"], ["APack", s[5], "own"],
    ...(s[6] === s[5] ? [] : [["APack, own tables", s[6], "other"]]), ...DATA.rivals.map(([, title], i) => [title, s[7][i], "other"])].sort((a, b) => a[1] - b[1]);
  const step = 24, [svg, width] = drawing($id("schemes-picture"), rows.length * step + 4, "Footprint of each scheme, to raw");
  const most = Math.max(...rows.map((r) => r[1])), left = Math.min(210, width * .42), room = width - left - 64;
  rows.forEach(([name, bits, kind], i) => {
    const y = i * step + 4, strong = kind === "own" ? "strong" : "";
    const length = Math.max(1, room * bits / most);
    svg.append(
      fitting(name, left - 8, y + 13, {kind: strong, keepEnd: false}),
      titled(shape("rect", {x: left, y, width: length, height: 17, class: kind}), `${name}: ${size(bits)}`),
      shape("text", {x: left + length + 6, y: y + 13, class: strong}, ratio(bits, raw)));
  });
}

// --- layers -------------------------------------------------------------------------------------------------------
// layer: name, kind, op, share, raw, floor, bound, APack, [rivals], tensors
function drawn() {
  if (model.layers.length <= BARS) return model.layers;
  const least = [...model.layers].sort((a, b) => b[3] - a[3])[BARS - 1][3];
  const large = model.layers.filter((l) => l[3] > least), rest = model.layers.filter((l) => l[3] <= least);
  const sum = (i) => rest.reduce((total, l) => total + l[i], 0);
  const none = RIVALS.map(() => 0);
  return [...large, [`the other ${count(rest.length)} layers`, "mixed", "", sum(3), sum(4), sum(5), sum(6), sum(7), none, sum(9)]];
}
function layers() {
  const rows = drawn(), equal = $id("equal").checked, step = 22;
  const [svg, width] = drawing($id("layers-picture"), rows.length * step + 4, "Bits of each layer, to raw; the table below has the figures");
  const left = Math.min(280, width * .38), room = width - left - 60, most = Math.max(...rows.map((r) => r[4]), 1);
  rows.forEach((r, i) => {
    const y = i * step + 3, full = equal ? room * (r[4] ? 1 : 0) : room * r[4] / most, at = (bits) => left + full * (r[4] ? Math.min(bits / r[4], 1) : 0);
    const says = `${r[0]} (${r[1]}): raw ${size(r[4])}, entropy ${ratio(r[5], r[4])}, bound ${ratio(r[6], r[4])}, APack ${ratio(r[7], r[4])}`;
    const group = titled(shape("g", {}), says);
    group.append(
      fitting(r[0], left - 8, y + 12),
      shape("rect", {x: left, y, width: Math.max(0, at(r[7]) - left), height: 15, class: "fill"}),
      shape("rect", {x: left, y, width: Math.max(1, full), height: 15, class: "raw"}));
    if (full > 24) group.append(
      shape("line", {x1: at(r[5]), x2: at(r[5]), y1: y, y2: y + 15, class: "floor"}),
      shape("line", {x1: at(r[6]), x2: at(r[6]), y1: y, y2: y + 15, class: "bound"}));
    group.append(shape("text", {x: left + full + 5, y: y + 12, class: "soft"}, ratio(r[7], r[4])));
    svg.append(group);
  });
  $id("layers-legend").replaceChildren(key("raw", "raw, of one inference"), key("fill", "APack"), key("floor", "entropy"), key("bound", "bound"));
}
const best = (r) => r[8].indexOf(Math.min(...r[8]));
const FIGURES = [
  ["APack", (r) => r[7] / r[4], (r) => ratio(r[7], r[4])],
  ["entropy", (r) => r[5] / r[4], (r) => ratio(r[5], r[4])],
  ["bound", (r) => r[6] / r[4], (r) => ratio(r[6], r[4])],
  ["over bound", (r) => r[7] / r[6], (r) => change(r[7], r[6])],
  ...(RIVALS.length ? [["best other scheme", (r) => r[8][best(r)] / r[4], (r) => `${ratio(r[8][best(r)], r[4])} ${RIVALS[best(r)]}`]] : []),
  ["traffic", (r) => r[3], (r) => percent(r[3])],
  ["raw", (r) => r[4], (r) => size(r[4])],
];
const SCHEMES = RIVALS.map((name, i) => [name, (r) => r[8][i] / r[4], (r) => ratio(r[8][i], r[4]), "extra"]);
const named = (r) => element("span", {title: r[0]}, label(r[0]));
const LAYER = [["layer", (r) => r[0], named, "left"], ...FIGURES, ["tensors", (r) => r[9], (r) => count(r[9])],
  ["kind", (r) => r[1], null, "left"], ["operator", (r) => r[2], null, "left"], ...SCHEMES];

// --- tensors ------------------------------------------------------------------------------------------------------
// tensor: name, kind, op, share, raw, floor, bound, APack, [rivals], width, values, table from, rows
function choose(tensor) {
  const index = model.tensors.indexOf(tensor);
  if (!(index in model.pictures)) return named(tensor);
  const button = element("button", {type: "button", title: tensor[0]}, label(tensor[0]));
  button.addEventListener("click", () => {
    $id("tensor").value = index;
    histogram();
    $id("histogram").scrollIntoView();
    $id("tensor").focus({preventScroll: true});
  });
  return button;
}
const TENSOR = [["tensor", (r) => r[0], choose, "left"], ...FIGURES, ["values", (r) => r[10], (r) => count(r[10])], ["bits", (r) => r[9]],
  ["kind", (r) => r[1], null, "left"], ["operator", (r) => r[2], null, "left"], ["table from", (r) => r[11], null, "left"],
  ["rows", (r) => r[12]], ...SCHEMES];
function tensors() {
  const wanted = $id("filter").value.toLowerCase(), kind = $id("kind").value;
  table("tensors", TENSOR, model.tensors.filter((t) => t[0].toLowerCase().includes(wanted) && (!kind || t[1] === kind)));
}

// --- a tensor's histogram -----------------------------------------------------------------------------------------
function histogram() {
  const index = $id("tensor").value, picture = model.pictures[index];
  $id("histogram").hidden = !picture;
  if (!picture) return;
  const [signed, coded, starts, counts] = picture, t = model.tensors[index], values = 2 ** t[9];
  const bars = Uint8Array.from(atob(coded), (c) => c.charCodeAt(0)), total = counts.reduce((a, b) => a + b, 0);
  const half = signed ? values / 2 : 0;
  // Two's complement codes are drawn in the order of their values: the upper half of the codes is negative.
  const place = (code) => (code + half) % values, means = (code) => signed && code >= half ? code - values : code;
  const holder = $id("histogram-picture"), high = 220, base = high - 22;
  const [svg, width] = drawing(holder, high, `Histogram of ${t[0]}`);
  const pad = 4, x = (at) => pad + (width - 2 * pad) * at / values;
  starts.forEach((first, i) => {
    const end = i + 1 < starts.length ? starts[i + 1] : values, p = counts[i] / total;
    const says = `row ${i}: ${means(first)} to ${means(end - 1)}, probability ${p.toFixed(4)}`;
    const split = half && first < half && end > half; // a row across the sign change is drawn in two parts
    for (const [a, b] of split ? [[first, half], [half, end]] : [[first, end]]) {
      const left = x(place(a)), right = x(place(a) + b - a);
      svg.append(titled(shape("rect", {x: left, y: 0, width: Math.max(.5, right - left), height: base, class: i % 2 ? "band" : "none", fill: "transparent"}), says));
      svg.append(shape("line", {x1: left, x2: left, y1: 0, y2: base + 5, class: "axis"}));
    }
  });
  const wide = values / bars.length;
  bars.forEach((height, i) => {
    if (height) svg.append(shape("rect", {x: x(place(i * wide)), y: base - height / 255 * (base - 8), class: "bar", "pointer-events": "none",
      width: Math.max(.8, x(wide) - x(0) - (width > 600 ? .8 : 0)), height: height / 255 * (base - 8)}));
  });
  svg.append(shape("line", {x1: pad, x2: width - pad, y1: base, y2: base, class: "axis"}));
  for (const [at, anchor] of [[0, "start"], [.25, "middle"], [.5, "middle"], [.75, "middle"], [1, "end"]])
    svg.append(shape("text", {x: x(at * values), y: high - 4, "text-anchor": anchor, class: "soft"}, count(Math.min(at * values, values - 1) - half)));
  $id("histogram-text").textContent = `${count(t[10])} values of ${t[9]} bits; ${starts.length} rows, table from ${t[11]}; entropy ` +
    `${ratio(t[5], t[4])}, bound ${ratio(t[6], t[4])}, APack ${ratio(t[7], t[4])}.`;
  table("rows", [["row", (r) => r[0], (r) => "row " + r[0], "left"], ["first value", (r) => r[1]], ["last value", (r) => r[2]], ["offset bits", (r) => r[3]],
    ["count", (r) => r[4]], ["probability", (r) => r[4], (r) => (r[4] / total).toFixed(4)]],
  starts.map((first, i) => {
    const end = i + 1 < starts.length ? starts[i + 1] : values;
    return [i, means(first), means(end - 1), Math.ceil(Math.log2(end - first)), counts[i]];
  }));
}
