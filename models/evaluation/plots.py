"""Plots as SVG text: no script, no network, legible in print."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

_WIDTH, _HEIGHT = 340, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 12, 26, 40


def _frame(title: str, x_label: str, y_label: str, body: str) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">'
        f'<text x="{_LEFT}" y="16" class="t">{escape(title)}</text>'
        f'<text x="{_WIDTH / 2}" y="{_HEIGHT - 6}" class="l" text-anchor="middle">{escape(x_label)}</text>'
        f'<text x="12" y="{_HEIGHT / 2}" class="l" text-anchor="middle"'
        f' transform="rotate(-90 12 {_HEIGHT / 2})">{escape(y_label)}</text>{body}</svg>'
    )


def _x(share: float) -> float:
    return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)


def _y(share: float) -> float:
    return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)


def _percent_axis() -> str:
    return "".join(
        f'<line x1="{_x(0)}" x2="{_x(1)}" y1="{_y(s):.1f}" y2="{_y(s):.1f}" class="g"/>'
        f'<text x="{_x(0) - 5}" y="{_y(s) + 4:.1f}" class="l" text-anchor="end">{s:.0%}</text>'
        for s in (0.0, 0.25, 0.5, 0.75, 1.0)
    )


def bars(
    title: str,
    names: Sequence[str],
    shares: Sequence[float],
    intervals: Sequence[tuple[float, float] | None],
    *,
    x_label: str,
) -> str:
    """Return shares (0-1) as bars with their intervals.

    Args:
        title: Above the plot.
        names: Below each bar.
        shares: One each.
        intervals: One each, None where there is none.
        x_label: What the names are.
    """
    step = 1 / max(1, len(names))
    body = [_percent_axis()]
    for i, (name, share, interval) in enumerate(zip(names, shares, intervals, strict=True)):
        left, width, middle = _x((i + 0.15) * step), (_x(0.7 * step) - _x(0)), _x((i + 0.5) * step)
        body.append(
            f'<rect x="{left:.1f}" y="{_y(share):.1f}" width="{width:.1f}" '
            f'height="{_y(0) - _y(share):.1f}" class="b"/>'
            f'<text x="{middle:.1f}" y="{_y(0) + 14}" class="s" text-anchor="middle">{escape(name)}</text>'
        )
        if interval:
            low, high = interval
            body.append(
                f'<line x1="{middle:.1f}" x2="{middle:.1f}" '
                f'y1="{_y(low):.1f}" y2="{_y(high):.1f}" class="e"/>'
            )
    return _frame(title, x_label, "share found", "".join(body))


def reliability(title: str, said: Sequence[float], happened: Sequence[float]) -> str:
    """Return what happened over what was said, both 0-1, beside the diagonal of a perfect forecast."""
    line = f'<line x1="{_x(0)}" y1="{_y(0)}" x2="{_x(1)}" y2="{_y(1)}" class="d"/>'
    dots = "".join(
        f'<circle cx="{_x(s):.1f}" cy="{_y(h):.1f}" r="4" class="p"/>'
        for s, h in zip(said, happened, strict=True)
    )
    ticks = "".join(
        f'<text x="{_x(s):.1f}" y="{_y(0) + 14}" class="s" text-anchor="middle">{s:.0%}</text>'
        for s in (0.0, 0.5, 1.0)
    )
    return _frame(title, "probability said", "share that happened", _percent_axis() + line + dots + ticks)


def deciles(title: str, values: Sequence[float], *, x_label: str) -> str:
    """Return eleven deciles (0, 10 … 100 %) as a cumulative curve from 0 to the highest."""
    top = max(values) or 1.0
    points = " ".join(f"{_x(v / top):.1f},{_y(i / 10):.1f}" for i, v in enumerate(values))
    ticks = "".join(
        f'<text x="{_x(s):.1f}" y="{_y(0) + 14}" class="s" text-anchor="middle">{s * top:.3g}</text>'
        for s in (0.0, 0.25, 0.5, 0.75, 1.0)
    )
    body = f'{_percent_axis()}<polyline points="{points}" class="c"/>{ticks}'
    return _frame(title, x_label, "share of alerts with less", body)
