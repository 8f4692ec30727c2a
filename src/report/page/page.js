function tableCard(table) {
  const row = (cells, tag) => element("tr", {}, ...cells.map((cell) => element(tag, {}, cell)));
  return element(
    "section",
    { class: "table card", id: table.id },
    element("div", { class: "head" }, element("h3", {}, table.title), csvButton(table.id, () => tableCsv(table))),
    element("p", {}, table.note),
    element(
      "div",
      { class: "scroll" },
      element(
        "table",
        {},
        element("thead", {}, row(table.header, "th")),
        element("tbody", {}, ...table.rows.map((cells) => row(cells, "td"))),
      ),
    ),
  );
}

class Section {
  constructor(section) {
    this.section = section;
    this.hiddenGroups = new Set();
    this.plots = [];
    this.charts = element("div", { class: "charts" });
    this.root = element("section", { id: section.id }, element("h2", {}, section.title));
    if (section.text) this.root.append(element("p", {}, section.text));
    if (section.legend.length > 0) this.root.append(this.legend());
    if (section.views.length > 1) this.root.append(this.selector());
    this.root.append(this.charts);
  }

  legend() {
    return element("div", { class: "legend" }, ...this.section.legend.map((group) => this.legendEntry(group)));
  }

  legendEntry({ name, color }) {
    const swatch = element("span", { class: "swatch", "data-color": color });
    const entry = element("button", { type: "button", "aria-pressed": "true" }, swatch, name);
    entry.addEventListener("click", () => {
      const hidden = !this.hiddenGroups.delete(name);
      if (hidden) this.hiddenGroups.add(name);
      entry.setAttribute("aria-pressed", String(!hidden));
      this.draw();
    });
    return entry;
  }

  selector() {
    const options = this.section.views.map((view, i) => element("option", { value: i }, view.name));
    const select = element("select", {}, ...options);
    select.addEventListener("change", () => this.show(Number(select.value)));
    return element("label", { class: "choice" }, "Run ", select);
  }

  show(index) {
    for (const { place } of this.plots) Plotly.purge(place);
    this.plots = this.section.views[index].charts.map((chart) => ({ chart, place: element("div", { class: "plot" }) }));
    this.charts.replaceChildren(...this.plots.map(({ chart, place }) => this.card(chart, place)));
    return this.draw();
  }

  card(chart, place) {
    return element(
      "figure",
      { class: isTall(chart) ? "card tall" : "card", "data-chart": chart.id },
      element(
        "div",
        { class: "head" },
        element("h3", {}, chart.title),
        element("div", { class: "actions" }, csvButton(chart.id, () => chartCsv(chart)), pngButton(chart.id, place)),
      ),
      element("p", {}, chart.note),
      place,
    );
  }

  draw() {
    for (const swatch of this.root.querySelectorAll(".swatch")) {
      const color = Number(swatch.dataset.color);
      swatch.style.borderTopColor = seriesColor(color);
      swatch.style.borderTopStyle = seriesDash(color) === "solid" ? "solid" : "dashed";
    }
    return Promise.all(this.plots.map(({ chart, place }) => drawPlot(place, chart, this.hiddenGroups)));
  }
}

async function main() {
  const content = document.getElementById("content");
  const report = JSON.parse(document.getElementById("report").textContent);
  const plots = element("div");
  content.append(...report.tables.map(tableCard), plots, tableCard(report.runs));
  await loadPlotly();
  const sections = report.sections.map((section) => new Section(section));
  plots.append(...sections.map((section) => section.root));
  await Promise.all(sections.map((section) => section.show(0)));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const section of sections) section.draw();
  });
}

const status = document.getElementById("status");
try {
  await main();
  status.hidden = true;
  document.documentElement.dataset.state = "drawn";
} catch (error) {
  status.textContent = `The plots could not be drawn: ${error}. They need a browser of 2023 or newer.`;
  document.documentElement.dataset.state = "failed";
  throw error;
}
