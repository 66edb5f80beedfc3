// --- all models -----------------------------------------------------------------------------------------------------
// sums: tensors, values, raw, floor, bound, APack, APack with tables of the tensors' own, [rivals], loss
const KINDS = ["weights", "activations"];
const short = (m) => m.name.replace(/^.*[\\/]/, "").replace(/\.(npz|tflite|onnx|safetensors|pt|pth|bin|npy)$/, "");
// A row of the table: a model, or means of all; values are ratios, null where there is no such tensor.
function figures(s) {
  if (!s || !s[2]) return null;
  const others = s[7].map((bits) => bits / s[2]);
  return {entropy: s[3] / s[2], bound: s[4] / s[2], APack: s[5] / s[2], others, loss: s[8]};
}
function meanFigures(group, how) {
  const found = DATA.summary[group];
  if (!found) return null;
  const of = found[how];
  return {entropy: of.floor, bound: of.bound, APack: of.apack, others: RIVALS.map((name) => of[name]), loss: how === "mean" ? found.mean_loss : null};
}
const bestOther = (f) => f.others.indexOf(Math.min(...f.others));
function overview() {
  $id("overview").hidden = DATA.models.length < 2;
  if (DATA.models.length < 2) { document.querySelector('nav a[href="#overview"]').remove(); return; }
  const rows = DATA.models.map((m, index) => ({index, name: short(m), raw: m.totals.all[2],
    ...Object.fromEntries(KINDS.map((kind) => [kind, figures(m.totals[kind])]))}));
  const means = [["mean of the ratios", "mean"], ["all values together", "weighted"]].map(([name, how]) => ({name,
    raw: how === "mean" ? null : rows.reduce((sum, r) => sum + r.raw, 0), ...Object.fromEntries(KINDS.map((kind) => [kind, meanFigures(kind, how)]))}));
  const published = {name: "the paper's mean, of other models", raw: null,
    ...Object.fromEntries(KINDS.map((kind) => [kind, {APack: DATA.published[kind], others: []}]))};
  const four = (x) => x === undefined || x === null ? "–" : x.toFixed(4);
  const ratios = (kind) => ["entropy", "bound", "APack"].map((name) =>
    [name, (r) => r[kind]?.[name] ?? -1, (r) => four(r[kind]?.[name]), name === "APack" ? "own-cell" : "", kind]);
  const other = (kind) => RIVALS.length ? [["best other", (r) => r[kind]?.others.length ? Math.min(...r[kind].others) : -1,
    (r) => r[kind]?.others.length ? `${four(r[kind].others[bestOther(r[kind])])} ${RIVALS[bestOther(r[kind])]}` : "–", "", kind]] : [];
  table("overview", [
    ["model", (r) => r.name, (r) => r.index === undefined ? r.name : toModel(r), "left"],
    ...ratios("weights"), ...other("weights"), ...ratios("activations"),
    ["loss", (r) => r.activations?.loss ?? -1, (r) => loss(r.activations?.loss ?? null), "", "activations"], ...other("activations"),
    ["raw", (r) => r.raw, (r) => r.raw === null ? "–" : size(r.raw)],
  ], rows, [...means, published]);
  $id("overview-legend").replaceChildren(key("raw", "raw"), key("fill", "APack"), key("floor", "entropy"), key("bound", "bound"),
    ...(RIVALS.length ? [key("best", "best other scheme")] : []), key("paper", "the paper's mean, of other models"));
}
function toModel(row) {
  const button = element("button", {type: "button", title: DATA.models[row.index].name}, row.name);
  button.addEventListener("click", () => {
    $id("model").value = row.index;
    show();
    $id("one").scrollIntoView();
    $id("model").focus({preventScroll: true});
  });
  return button;
}
// Each model's bar, of weights and of activations: the same length is raw.
function bars() {
  if (DATA.models.length < 2) return;
  for (const kind of KINDS) {
    const rows = DATA.models.map((m) => [short(m), figures(m.totals[kind])]).filter(([, f]) => f), step = 22, top = 18;
    const holder = $id(`overview-${kind}`), high = top + rows.length * step + 4;
    const [svg, width] = drawing(holder, high, `Ratio of each model's ${kind}; the table has the figures`);
    const left = Math.min(190, width * .38), room = width - left - 52, at = (ratio) => left + room * Math.min(ratio, 1);
    svg.append(shape("text", {x: left, y: 12, class: "strong"}, kind));
    rows.forEach(([name, f], i) => {
      const y = top + i * step, best = bestOther(f);
      const says = `${name}, ${kind}: entropy ${f.entropy.toFixed(4)}, bound ${f.bound.toFixed(4)}, APack ${f.APack.toFixed(4)}` +
        (f.others.length ? `, ${RIVALS[best]} ${f.others[best].toFixed(4)}` : "");
      const group = titled(shape("g", {}), says), line = (ratio, how) => shape("line", {x1: at(ratio), x2: at(ratio), y1: y, y2: y + 15, class: how});
      group.append(fitting(name, left - 8, y + 12),
        shape("rect", {x: left, y, width: at(f.APack) - left, height: 15, class: "fill"}),
        shape("rect", {x: left, y, width: room, height: 15, class: "raw"}),
        line(f.entropy, "floor"), line(f.bound, "bound"), ...(f.others.length ? [diamond(at(f.others[best]), y + 7.5)] : []),
        shape("text", {x: left + room + 5, y: y + 12}, f.APack.toFixed(4)));
      svg.append(group);
    });
    const x = at(DATA.published[kind]);
    svg.append(titled(shape("line", {x1: x, x2: x, y1: top - 4, y2: high, class: "paper"}), "the paper's mean, of other models"));
  }
}
