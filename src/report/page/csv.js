const csvField = (value) => {
  const text = value === null || value === undefined ? "" : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

const csvText = (rows) => rows.map((row) => `${row.map(csvField).join(",")}\n`).join("");

function* traceRows(trace) {
  if (trace.type === "heatmap") {
    for (const [i, name] of trace.y.entries()) {
      for (const [j, x] of trace.x.entries()) yield [x, name, trace.z[i][j]];
    }
  } else {
    for (const [i, x] of trace.x.entries()) yield [trace.meta.series, x, trace.y[i]];
  }
}

const chartCsv = (chart) => csvText([chart.columns, ...chart.data.flatMap((trace) => [...traceRows(trace)])]);

const tableCsv = (table) => csvText([table.header, ...table.rows]);

function csvButton(name, makeText) {
  const button = element("button", { type: "button", title: "Download the data as CSV" }, "CSV");
  button.addEventListener("click", () => {
    const url = URL.createObjectURL(new Blob([makeText()], { type: "text/csv" }));
    element("a", { href: url, download: `${name}.csv` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  });
  return button;
}
