"""A plot of time against pods as SVG, both axes logarithmic."""

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 760, 440, 70, 50, 30, 210
COLOURS = ["#0b6e99", "#c2410c", "#4d7c0f", "#7c3aed", "#64748b"]
MARKS = ["circle", "square", "diamond", "triangle", "circle"]


def svg(series: Mapping[str, Sequence[tuple[int, float]]], title: str) -> str:
    """Lines by name, each of (pods, seconds)."""
    points = [point for line in series.values() for point in line]
    xs, ys = _decades([x for x, _ in points]), _decades([y for _, y in points])

    def place(x: float, y: float) -> tuple[float, float]:
        across = (math.log10(x) - xs[0]) / (xs[-1] - xs[0])
        up = (math.log10(y) - ys[0]) / (ys[-1] - ys[0])
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - BOTTOM - TOP)

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="18" font-size="14" font-weight="bold">{escape(title)}</text>',
    ]
    for power in xs:
        x, y = place(10**power, 10 ** ys[0])
        out.append(f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        out.append(f'<text x="{x:.1f}" y="{y + 18:.1f}" text-anchor="middle">{10**power:,}</text>')
    for power in ys:
        x, y = place(10 ** xs[0], 10**power)
        end = WIDTH - RIGHT
        out.append(f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{end}" y2="{y:.1f}" stroke="#ddd"/>')
        out.append(f'<text x="{x - 6:.1f}" y="{y + 4:.1f}" text-anchor="end">{10.0**power:g} s</text>')
    out.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2:.1f}" y="{HEIGHT - 12}" text-anchor="middle">pods</text>')
    for number, (name, line) in enumerate(series.items()):
        out += _line(number, name, [place(x, y) for x, y in line])
    return "\n".join([*out, "</svg>"]) + "\n"


def _decades(values: Sequence[float]) -> list[int]:
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return list(range(low, max(high, low + 1) + 1))


def _line(number: int, name: str, points: Sequence[tuple[float, float]]) -> list[str]:
    """A line with marks of its own shape, so that it is told apart without colour too, and its row in the legend."""
    colour, mark = COLOURS[number % len(COLOURS)], MARKS[number % len(MARKS)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    x, y = WIDTH - RIGHT + 20, TOP + 20 + 22 * number
    return [
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>',
        *(_mark(mark, px, py, colour) for px, py in points),
        _mark(mark, x, y - 4, colour),
        f'<text x="{x + 12}" y="{y}">{escape(name)}</text>',
    ]


def _mark(shape: str, x: float, y: float, colour: str) -> str:
    match shape:
        case "square":
            return f'<rect x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8" fill="{colour}"/>'
        case "diamond":
            return f'<path d="M{x:.1f} {y - 5:.1f}l5 5-5 5-5-5z" fill="{colour}"/>'
        case "triangle":
            return f'<path d="M{x:.1f} {y - 5:.1f}l5 9h-10z" fill="{colour}"/>'
        case _:
            return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>'
