"""How plots of these benchmarks look: SVG on a white ground, so that they can be read in light and in dark pages."""

EXACT, VCAS, THIRD = "#1b5e9b", "#c0561a", "#3b7d3b"

STYLE = {
    "svg.hashsalt": "vcas",  # the same figures give the same bytes
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "legend.frameon": False,
}


def load_pyplot():
    """Only those who draw need matplotlib; to be called before anything is measured."""
    try:
        import matplotlib
    except ImportError:
        raise SystemExit("matplotlib is missing. Install it:\n"
                         "  .venv/bin/python -m pip install -r requirements-benchmarks.txt") from None
    matplotlib.use("svg")
    matplotlib.rcParams.update(STYLE)
    from matplotlib import pyplot

    return pyplot


def panels(rows, columns, width=9.0, height=3.4):
    """A figure and its axes, row by row; height is of a row, both in inches."""
    figure, axes = load_pyplot().subplots(rows, columns, figsize=(width, height * rows), squeeze=False,
                                          layout="constrained")
    return figure, axes.flatten()


def plain_log(axis):
    """A logarithmic axis, already set so, with ticks at 1, 2 and 5 that are written out."""
    from matplotlib import ticker

    axis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(ticker.NullLocator())


def save(figure, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, facecolor="white", metadata={"Date": None})
