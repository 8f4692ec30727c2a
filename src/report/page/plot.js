const dashes = ["solid", "dash", "dot", "dashdot"];

const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

const seriesColors = () => style("--series").split(/\s+/);

const seriesColor = (index) => seriesColors()[index % seriesColors().length];

const seriesDash = (index) => dashes[Math.floor(index / seriesColors().length) % dashes.length];

// Plotly reads tags and entities in its texts.
const plain = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

function themedCurve({ meta, ...trace }, columns, hiddenGroups) {
  const color = seriesColor(meta.color);
  return {
    ...trace,
    name: plain(trace.name),
    legendgroup: plain(trace.legendgroup),
    opacity: 0.85,
    visible: !hiddenGroups.has(trace.legendgroup),
    text: plain(meta.series),
    hovertemplate: `%{text}<br>${columns[1]}: %{x}<br>${columns[2]}: %{y}<extra></extra>`,
    line: { width: 1.75, color, dash: seriesDash(meta.color), ...trace.line },
    marker: { size: trace.x.length < 4 ? 9 : 5, color },
    cliponaxis: false,
  };
}

function themedHeatMap(trace, columns) {
  return {
    ...trace,
    y: trace.y.map(plain),
    colorscale: "Viridis",
    colorbar: { thickness: 10, outlinewidth: 0, ticklabelposition: "outside" },
    hovertemplate: `${columns[0]}: %{x}<br>${columns[1]}: %{y}<br>${columns[2]}: %{z:.4g}<extra></extra>`,
  };
}

const isHeatMap = (chart) => chart.data[0].type === "heatmap";

function themedAxis(axis) {
  const color = style("--line");
  return {
    automargin: true,
    gridcolor: style("--grid"),
    linecolor: color,
    zeroline: false,
    ...axis,
    title: { ...axis.title, standoff: 8 },
  };
}

function heightOf(chart) {
  if (!isHeatMap(chart)) return 340;
  return Math.min(Math.max(250, 90 + 14 * chart.data[0].y.length), 1200);
}

const isTall = (chart) => heightOf(chart) > 400;

function themedLayout(chart) {
  const layout = {
    ...chart.layout,
    height: heightOf(chart),
    margin: { l: 8, r: 8, t: 8, b: 8 },
    font: { color: style("--ink"), size: 12, family: "system-ui, Liberation Sans, sans-serif" },
    paper_bgcolor: style("--card"),
    plot_bgcolor: style("--card"),
    hovermode: "closest",
    // A finger that scrolls the page must not zoom.
    dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom",
    legend: { orientation: "h", y: -0.25, yanchor: "top" },
    xaxis: themedAxis(chart.layout.xaxis),
    yaxis: themedAxis(chart.layout.yaxis),
  };
  if (isHeatMap(chart)) Object.assign(layout.yaxis, { tickfont: { size: 10 }, ticks: "" });
  return layout;
}

const plotConfig = { responsive: true, displayModeBar: false };

function drawPlot(place, chart, hiddenGroups) {
  const traces = chart.data.map((trace) =>
    isHeatMap(chart) ? themedHeatMap(trace, chart.columns) : themedCurve(trace, chart.columns, hiddenGroups),
  );
  return Plotly.react(place, traces, themedLayout(chart), plotConfig);
}

function pngButton(name, place) {
  const button = element("button", { type: "button", title: "Download the picture as PNG" }, "PNG");
  button.addEventListener("click", () => Plotly.downloadImage(place, { format: "png", filename: name, scale: 2 }));
  return button;
}

async function loadPlotly() {
  const packed = document.getElementById("library");
  const bytes = Uint8Array.from(atob(packed.textContent.trim()), (c) => c.charCodeAt(0));
  packed.remove();
  const unpacked = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  document.head.append(element("script", {}, await new Response(unpacked).text()));
}
