"""Plots as SVG, drawn by gnuplot from rows of numbers."""

import subprocess

COLORS = ["#c0392b", "#e0a030", "#4c9a6a", "#7d5ba6", "#3aa6b9", "#a0522d"]
OWN_COLORS = {"lossd": "#2c5f9e", "no-op": "#888888"}  # the same in every plot
STYLE = """
set terminal svg size {width},{height} font "sans-serif,13" background "white"
set output "{path}"
set title "{title}"
set datafile missing "?"
set grid ytics linecolor "#dddddd"
set border 3
set xtics nomirror
set ytics nomirror
set logscale y
set ylabel "{y_label}"
"""


def quote(text):
    """A string of gnuplot's without its markup of _, ^ and the like."""
    return '"' + text.replace("\\", "").replace('"', "'").replace("_", " ") + '"'


def data_block(head, rows):
    lines = [" ".join(map(quote, ["", *head]))]
    for label, *numbers in rows:
        lines.append(" ".join([quote(label), *("?" if x is None else repr(float(x)) for x in numbers)]))
    return "$data << END\n" + "\n".join(lines) + "\nEND\n"


def series(i, name):
    return f'linecolor "{OWN_COLORS.get(name, COLORS[i % len(COLORS)])}" title {quote(name)}'


def run(script):
    done = subprocess.run(["gnuplot", "-"], input=script, capture_output=True, text=True)
    if done.returncode != 0 or "error" in done.stderr.lower():
        raise RuntimeError(f"gnuplot: {done.stderr}")


def bars(path, title, y_label, head, rows, line_at=None):
    """A group of bars for each row (label, number or None, ...), a colour for each of head; logarithmic."""
    width, height = max(700, 60 + (12 * len(head) + 14) * len(rows)), 520
    script = data_block(head, rows) + STYLE.format(width=width, height=height, path=path, title=title, y_label=y_label)
    numbers = [x for row in rows for x in row[1:] if x is not None]
    low = min([*numbers, line_at or 1]) / 2
    script += f"""
set style data histograms
set style histogram clustered gap 1
set style fill solid
set boxwidth 0.9
set xtics rotate by -35 font ",11"
set key above
set yrange [{low}:*]
set bmargin 9
set rmargin 16
"""
    if line_at is not None:
        ends = f"from graph 0, first {line_at} to graph 1, first {line_at}"
        script += f'set arrow {ends} nohead linecolor "#444444" dashtype 2 front\n'
    parts = [f"$data using {i + 2}:xtic(1) skip 1 {series(i, name)}" for i, name in enumerate(head)]
    run(script + "plot " + ", ".join(parts) + "\n")


def lines(path, title, x_label, y_label, head, rows):
    """A line for each of head over the number that each row begins with; both axes logarithmic."""
    script = data_block(head, [(repr(float(x)), *ys) for x, *ys in rows])
    script += STYLE.format(width=700, height=450, path=path, title=title, y_label=y_label)
    script += f'set logscale x\nset xlabel "{x_label}"\nset key outside right\nset format x "10^{{%L}}"\n'
    drawn = "with linespoints pointtype 7 pointsize 0.5"
    parts = [f"$data using (real(strcol(1))):{i + 2} skip 1 {drawn} {series(i, name)}" for i, name in enumerate(head)]
    run(script + "plot " + ", ".join(parts) + "\n")
