// --- the page -----------------------------------------------------------------------------------------------------
function pictures() { bars(); schemes(); layers(); histogram(); }
function show() {
  model = DATA.models[$id("model").value];
  $id("about").textContent = ["model", "source", "licence", "quantized_by", "inputs"].filter((k) => model.info[k]).map((k) => model.info[k]).join(" · ");
  $id("filter").value = "";
  options($id("kind"), [["", "all"], ...Object.keys(model.totals).filter((n) => n !== "all").map((n) => [n, n])]);
  const pictured = Object.keys(model.pictures);
  options($id("tensor"), pictured.map((i) => [i, label(model.tensors[i][0])]));
  if (pictured.length) $id("tensor").value = pictured.reduce((a, b) => model.tensors[b][3] > model.tensors[a][3] ? b : a);
  totals();
  table("layers", LAYER, model.layers);
  tensors();
  pictures();
}
overview();
options($id("model"), DATA.models.map((m, i) => [i, m.name]));
$id("model").addEventListener("change", show);
$id("group").addEventListener("change", schemes);
$id("equal").addEventListener("change", layers);
$id("filter").addEventListener("input", tensors);
$id("kind").addEventListener("change", tensors);
$id("tensor").addEventListener("change", histogram);
let shown = 0;
addEventListener("resize", () => { if (innerWidth !== shown) { shown = innerWidth; pictures(); } });
const set = DATA.settings, c = set.config;
$id("activation-tables").textContent = {
  others: "The table of an activation is made from the other inputs, every value codable; from the tensor itself where there is one input only.",
  first: "The table of an activation is made from the first input, every value codable; the first input's own is of itself.",
  self: "Activations, too.",
}[set.activation_tables];
$id("settings").textContent = `At most ${c.rows} rows, probabilities of ${c.prob_bits} bits, multiplier of ${c.mult_bits} bits, blocks of ` +
  `${count(c.block)} values.` + (set.verified ? " Every file was made and read back." : " Sizes of files are worked out exactly, without making them.");
show();
