"use strict";
const search = document.getElementById("search");
const found = document.getElementById("found");
const order = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
const tables = [...document.querySelectorAll("table")].map((table) => ({
  body: table.tBodies[0],
  count: table.closest("section").querySelector(".count"),
  rows: [...table.tBodies[0].rows].map((row) => ({ row, text: "" })),
}));

const filter = () => {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  let matches = 0;
  for (const { count, rows } of tables) {
    let shown = 0;
    for (const each of rows) {
      each.text ||= [...each.row.cells].map((cell) => cell.textContent).join("\n").toLowerCase();
      const matching = words.every((word) => each.text.includes(word));
      if (each.row.hidden === matching) each.row.hidden = !matching;
      shown += matching;
    }
    const all = rows.length.toLocaleString("en");
    count.textContent = words.length ? `${shown.toLocaleString("en")} of ${all}` : all;
    matches += shown;
  }
  found.value = words.length ? `${matches.toLocaleString("en")} ${matches === 1 ? "row matches" : "rows match"}` : "";
};

let waiting;
search.addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(filter, 100);
});

for (const { body, rows } of tables) {
  const headings = [...body.parentElement.tHead.rows[0].cells];
  headings.forEach((heading, column) => heading.firstElementChild.addEventListener("click", () => {
    const sign = heading.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    headings.forEach((each) => each.removeAttribute("aria-sort"));
    heading.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
    const keys = new Map(rows.map(({ row }) => [row, row.cells[column].textContent]));
    rows.sort((a, b) => sign * order.compare(keys.get(a.row), keys.get(b.row)));
    const sorted = document.createDocumentFragment();
    rows.forEach(({ row }) => sorted.append(row));
    body.append(sorted);
  }));
}
search.disabled = false;
