"""plots.py: the report's plots as SVG, drawn by hand so that nothing has to be installed.

Each function takes the report and answers a picture; write_all writes the files. Not here: figures.
"""
import math

COLOURS = {"lucet": "#1b6ca8", "lucet_reset": "#63a4d4", "wasmtime": "#c8553d", "wasm2c": "#6b8e23", "memcpy": "#777777",
           "native": "#333333", "native_novec": "#999999", "lucet_native": "#63a4d4"}
WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 760, 440, 70, 90, 40, 150


class Picture:
    """A picture with a logarithmic vertical axis."""

    def __init__(self, title, unit, values, width=WIDTH, linear=False):
        self.width, self.linear, self.parts = width, linear, []
        values = [value for value in values if value and value > 0]
        low, high = min(values), max(values)
        self.low = 0.0 if linear else math.floor(math.log10(low))
        self.high = high * 1.05 if linear else max(math.ceil(math.log10(high)), self.low + 1)
        self.text(width / 2, 22, title, "middle", 15)
        self.text(16, TOP - 8, unit, "start", 11)
        self.grid()

    def y(self, value):
        position = value if self.linear else math.log10(value)
        return HEIGHT - BOTTOM - (position - self.low) / (self.high - self.low) * (HEIGHT - BOTTOM - TOP)

    def grid(self):
        if self.linear:
            step = 10 ** math.floor(math.log10(self.high))
            step = step / 4 if self.high / step < 2 else step / 2 if self.high / step < 4 else step
            marks = [i * step for i in range(int(self.high / step) + 1)]
        else:
            marks = [10.0 ** i for i in range(int(self.low), int(self.high) + 1)]
        for mark in marks:
            self.line(LEFT, self.y(mark), self.width - RIGHT, self.y(mark), "#dddddd")
            self.text(LEFT - 6, self.y(mark) + 4, f"{mark:g}", "end", 11)

    def text(self, x, y, words, anchor="middle", size=11, turn=None):
        turned = f' transform="rotate({turn} {x:.1f} {y:.1f})"' if turn else ""
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}"{turned}>{words}</text>')

    def line(self, x1, y1, x2, y2, colour, width=1.0):
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-width="{width}"/>')

    def bar(self, x, width, value, colour):
        top, bottom = self.y(value), HEIGHT - BOTTOM
        self.parts.append(f'<rect x="{x:.1f}" y="{top:.1f}" width="{width:.1f}" height="{max(0.5, bottom - top):.1f}" fill="{colour}"/>')

    def legend(self, names):
        for index, name in enumerate(names):
            y = TOP + 10 + index * 20
            self.parts.append(f'<rect x="{self.width - RIGHT + 14}" y="{y}" width="12" height="12" fill="{COLOURS[name]}"/>')
            self.text(self.width - RIGHT + 32, y + 10, name, "start")

    def svg(self):
        return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {HEIGHT}" width="{self.width}" '
                f'height="{HEIGHT}" font-family="sans-serif"><rect width="100%" height="100%" fill="white"/>'
                + "".join(self.parts) + "</svg>\n")


def cycle_plot(report):
    series = {peer: [(pages, row.get(peer)) for pages, row in report["cycle_us"].items()]
              for peer in ("wasm2c", "wasmtime", "lucet")}
    series["lucet_reset"] = [(pages, row["lucet"]) for pages, row in report["reset_us"].items()]
    series["memcpy"] = [(pages, report["floors_ns"][f"cycle/{pages}"]["memcpy"] * 1e-3)
                        for pages in report["cycle_us"] if pages != "0"]
    picture = Picture("A new instance, one call, its end: latency by pages of 4 KiB touched", "microseconds",
                      [value for points in series.values() for _, value in points])
    columns = list(report["cycle_us"])
    step = (WIDTH - LEFT - RIGHT) / max(1, len(columns) - 1)
    for name, points in series.items():
        places = [(LEFT + columns.index(pages) * step, picture.y(value)) for pages, value in points if value]
        for (x1, y1), (x2, y2) in zip(places, places[1:]):
            picture.line(x1, y1, x2, y2, COLOURS[name], 2)
        for x, y in places:
            picture.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{COLOURS[name]}"/>')
    for index, pages in enumerate(columns):
        picture.text(LEFT + index * step, HEIGHT - BOTTOM + 18, pages)
    picture.legend(series)
    return picture.svg()


def bars(title, unit, groups, names, width=WIDTH, linear=False, tilt=False):
    """groups: [(label, {name: value})]."""
    picture = Picture(title, unit, [row.get(name) for _, row in groups for name in names], width, linear)
    step = (width - LEFT - RIGHT) / len(groups)
    thick = step * 0.8 / len(names)
    for index, (label, row) in enumerate(groups):
        for place, name in enumerate(names):
            if row.get(name):
                picture.bar(LEFT + index * step + step * 0.1 + place * thick, thick, row[name], COLOURS[name])
        x = LEFT + (index + 0.5) * step
        picture.text(x, HEIGHT - BOTTOM + (14 if tilt else 18), label, "end" if tilt else "middle", 11, -35 if tilt else None)
    if linear:
        picture.line(LEFT, picture.y(1), width - RIGHT, picture.y(1), "#000000", 1.2)
    picture.legend(names)
    return picture.svg()


def call_plot(report):
    groups = [(name, report[f"{name}_ns"]) for name in ("call_in", "call_in_stub", "call_out", "call_out_leaf")]
    return bars("Crossing the boundary", "nanoseconds", groups, ("lucet", "wasmtime", "wasm2c"))


def exec_plot(report):
    names = ("lucet", "wasmtime", "wasm2c", "native")
    groups = [(kernel, {name: row[name] / row["native_novec"] for name in names if row.get(name)})
              for kernel, row in report["exec"].items()]
    return bars("Execution time, native clang -O3 without vectors = 1", "ratio", groups, names, 1240, True, True)


def write_all(report, out):
    pictures = {"cycle": ("cycle_us", cycle_plot), "calls": ("call_in_stub_ns", call_plot), "exec": ("exec", exec_plot)}
    for name, (key, draw) in pictures.items():
        if report.get(key):
            with open(f"{out}/{name}.svg", "w", encoding="utf-8") as file:
                file.write(draw(report))
