"""Two small SVG writers for the examples: curves in one diagram, and a layered drawing of a compiled function's graph.

Goes in: lists of numbers; a `gradc.Function`.  Comes out: SVG text.  Not here: anything about the models drawn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise
from typing import Any

COLOURS = ("#1f5fa8", "#c44e1a", "#2f7d3b", "#7a4fa3")
_FONT = 'font-family="sans-serif" font-size="12"'


def _document(width: float, height: float, body: Sequence[str]) -> str:
    head = (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
            f'viewBox="0 0 {width:.0f} {height:.0f}">')
    return "\n".join((head, f'<rect width="{width:.0f}" height="{height:.0f}" fill="white"/>', *body, "</svg>\n"))


def _text(x: float, y: float, text: str, anchor: str = "middle", colour: str = "#222") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {_FONT} fill="{colour}" text-anchor="{anchor}">{escape(text)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, width: float = 1.0) -> str:
    return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
            f'stroke="{colour}" stroke-width="{width}"/>')


def curves(title: str, series: dict[str, Sequence[tuple[float, float]]], x_label: str, y_label: str) -> str:
    """One diagram with linear x and logarithmic y (all y > 0), a line and a legend entry for each series."""
    width, height, left, right, top, bottom = 640.0, 400.0, 64.0, 20.0, 40.0, 48.0
    points = [point for line in series.values() for point in line]
    x_max = max(x for x, _ in points)
    low = math.log10(min(y for _, y in points))
    high = math.log10(max(y for _, y in points))
    low, high = low - 0.05 * (high - low + 1e-9), high + 0.05 * (high - low + 1e-9)

    def place(x: float, y: float) -> tuple[float, float]:
        return (left + (width - left - right) * x / x_max,
                top + (height - top - bottom) * (high - math.log10(y)) / (high - low))

    body = [_text(width / 2, 22, title), _text(width / 2, height - 10, x_label),
            f'<g transform="rotate(-90 16 {height / 2:.0f})">{_text(16, height / 2, y_label)}</g>']
    for exponent in range(math.floor(low) - 1, math.ceil(high) + 1):
        for digit in (1, 2, 5):
            value = digit * 10.0**exponent
            if low <= math.log10(value) <= high:
                _, y = place(0, value)
                body.append(_line(left, y, width - right, y, "#ddd"))
                body.append(_text(left - 6, y + 4, f"{value:g}", "end"))
    step = 10.0 ** math.floor(math.log10(x_max))
    step *= 0.2 if x_max / step < 2 else 0.5 if x_max / step < 5 else 1
    for count in range(int(x_max / step) + 1):
        x, _ = place(count * step, 10**high)
        body.append(_line(x, height - bottom, x, height - bottom + 5, "#222"))
        body.append(_text(x, height - bottom + 18, f"{count * step:g}"))
    body.append(f'<rect x="{left}" y="{top}" width="{width - left - right}" height="{height - top - bottom}" '
                f'fill="none" stroke="#222"/>')
    for row, (name, line) in enumerate(series.items()):
        colour = COLOURS[row % len(COLOURS)]
        path = " ".join("{:.1f},{:.1f}".format(*place(x, y)) for x, y in line)
        body.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.8"/>')
        y = top + 20 + 18 * row
        body.append(_line(width - 190, y - 4, width - 166, y - 4, colour, 3))
        body.append(_text(width - 160, y, name, "start"))
    return _document(width, height, body)


@dataclass
class _Box:
    """A box of the drawing (or, without a label, the bend of an edge that crosses a layer)."""

    label: str
    kind: str
    layer: int
    width: float
    sources: list[_Box]
    x: float = 0.0
    above: list[_Box] = field(default_factory=list)             # neighbours in the next layer, bends included
    below: list[_Box] = field(default_factory=list)


_FILL = {"input": "#e3f0fb", "constant": "#f3f3f3", "node": "#fff7e0", "output": "#e6f5e6"}


def function_graph(title: str, function: Any, names: Sequence[str]) -> str:
    """The optimised graph of a compiled function: inputs on top, operations, outputs (`names`) at the bottom."""
    graph = function.maker.fgraph
    boxes: dict[Any, _Box] = {}
    everything: list[_Box] = []

    def box(label: str, kind: str, sources: Sequence[_Box]) -> _Box:
        layer = 1 + max((source.layer for source in sources), default=-1)
        made = _Box(label, kind, layer, 16.0 + 7.2 * len(label), list(sources))
        everything.append(made)
        return made

    def source(variable: Any) -> _Box:
        if variable not in boxes:
            kind = "input" if variable in graph.inputs else "constant"
            boxes[variable] = box(_short(str(variable)), kind, ())
        return boxes[variable]

    for variable in graph.inputs:
        source(variable)
    for node in graph.toposort():
        sources = [source(variable) for variable in node.inputs]
        made = box(_short(str(node.op)), "node", sources)
        boxes.update((out, made) for out in node.outputs)
    for name, variable in zip(names, graph.outputs, strict=True):
        box(name, "output", [source(variable)])
    # Inputs sink to just above their first reader, so that edges stay short.
    readers: dict[int, list[_Box]] = {}
    for made in everything:
        for above in made.sources:
            readers.setdefault(id(above), []).append(made)
    for made in everything:
        if not made.sources and id(made) in readers:
            made.layer = min(reader.layer for reader in readers[id(made)]) - 1
    return _draw(title, everything)


def _short(text: str) -> str:
    for prefix in ("Elemwise{", "TensorConstant{"):
        if text.startswith(prefix):
            text = text.removeprefix(prefix).removesuffix("}").removesuffix(",no_inplace")
    return text if len(text) <= 26 else text[:23] + "..."


def _draw(title: str, boxes: list[_Box]) -> str:
    layers: list[list[_Box]] = [[] for _ in range(1 + max(made.layer for made in boxes))]
    for made in boxes:
        layers[made.layer].append(made)
    edges: list[list[_Box]] = []                                # from the source over bends to the reader
    for made in boxes:
        for start in {id(source): source for source in made.sources}.values():
            bends = [_Box("", "bend", layer, 14.0, []) for layer in range(start.layer + 1, made.layer)]
            for bend in bends:
                layers[bend.layer].append(bend)
            edges.append([start, *bends, made])
    for chain in edges:
        for upper, lower in pairwise(chain):
            upper.below.append(lower)
            lower.above.append(upper)
    gap, row_height, top = 18.0, 58.0, 64.0
    for layer in layers:
        _pack(layer, gap)
    for sweep in range(24):                                     # barycentres, alternately from above and from below
        downwards = sweep % 2 == 0
        for layer in layers if downwards else reversed(layers):
            for made in layer:
                near = made.above if downwards else made.below
                if near:
                    made.x = sum(other.x for other in near) / len(near)
            layer.sort(key=lambda made: made.x)
            _spread(layer, gap)
    left = min(made.x - made.width / 2 for layer in layers for made in layer) - 20
    right = max(made.x + made.width / 2 for layer in layers for made in layer) + 20
    width = max(right - left, 7.0 * len(title) + 40)

    def place(made: _Box) -> tuple[float, float]:
        return made.x - left + (width - (right - left)) / 2, top + row_height * made.layer

    body = [_text(width / 2, 24, title)]
    for chain in edges:
        x, y = place(chain[0])
        path = f"M{x:.1f},{y + 13:.1f}"
        y += 13
        for made in chain[1:]:
            next_x, next_y = place(made)
            next_y -= 14 if made is chain[-1] else 0
            middle = (y + next_y) / 2
            path += f" C{x:.1f},{middle:.1f} {next_x:.1f},{middle:.1f} {next_x:.1f},{next_y:.1f}"
            x, y = next_x, next_y
        body.append(f'<path d="{path}" fill="none" stroke="#888" stroke-width="1.2" marker-end="url(#tip)"/>')
    body.insert(0, '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
                   'orient="auto"><path d="M0,0 L8,4 L0,8 z" fill="#888"/></marker></defs>')
    for made in boxes:
        x, y = place(made)
        round_off = 4 if made.kind == "node" else 13
        body.append(f'<rect x="{x - made.width / 2:.1f}" y="{y - 13:.1f}" width="{made.width:.1f}" height="26" '
                    f'rx="{round_off}" fill="{_FILL[made.kind]}" stroke="#666"/>')
        body.append(_text(x, y + 4, made.label))
    return _document(width, top + row_height * len(layers) - 10, body)


def _pack(layer: list[_Box], gap: float) -> None:
    x = 0.0
    for made in layer:
        made.x = x + made.width / 2
        x += made.width + gap
    for made in layer:
        made.x -= (x - gap) / 2


def _spread(layer: list[_Box], gap: float) -> None:
    """Keep the order, move boxes apart as little as needed: pool neighbours that overlap, centre each pool."""
    pools: list[tuple[float, float, list[_Box]]] = []           # (centre, width, boxes)
    for made in layer:
        centre, width, members = made.x, made.width + gap, [made]
        while pools and pools[-1][0] + pools[-1][1] / 2 > centre - width / 2:
            other_centre, other_width, other = pools.pop()
            total = len(other) + len(members)
            # Each member wants its own barycentre; the pool takes the mean of what its members want.
            centre = (other_centre * len(other) + centre * len(members)) / total
            width += other_width
            members = other + members
        pools.append((centre, width, members))
    for centre, width, members in pools:
        x = centre - width / 2
        for made in members:
            made.x = x + (made.width + gap) / 2
            x += made.width + gap
