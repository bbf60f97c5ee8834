"""Colors of the report, made in OKLCH so that equal steps look equal, for light and for dark.

The sequential scale falls (or, in the dark, rises) evenly in lightness, so it reads the same to color-blind eyes and
in gray print. OKLab: B. Ottosson, "A perceptual color space for image processing" (2020).
"""

from __future__ import annotations

from math import cos, radians, sin

STEPS = 21
"""Colors of the scale: one for each 5 % of accuracy."""

SERIES = 8
"""Colors of lines; markers and dashes tell them apart as well."""

Oklch = tuple[float, float, float]
"""Lightness 0…1, chroma, hue in degrees."""

TOKENS: dict[str, tuple[Oklch, Oklch]] = {
    "page": ((1.0, 0.0, 0), (0.185, 0.008, 260)),
    "surface": ((0.976, 0.003, 260), (0.225, 0.01, 260)),
    "raised": ((1.0, 0.0, 0), (0.25, 0.011, 260)),
    "line": ((0.905, 0.006, 260), (0.33, 0.012, 260)),
    "ink": ((0.24, 0.012, 260), (0.93, 0.005, 260)),
    "muted": ((0.49, 0.014, 260), (0.72, 0.012, 260)),
    "accent": ((0.50, 0.14, 255), (0.76, 0.115, 250)),
    "accent-soft": ((0.885, 0.045, 255), (0.37, 0.06, 255)),
    "alert": ((0.50, 0.165, 28), (0.77, 0.12, 32)),
    "alert-soft": ((0.935, 0.035, 28), (0.32, 0.06, 28)),
}
"""Name → color on light, color on dark."""

_HUES = (255, 45, 150, 330, 95, 205, 15, 290)


def to_rgb(color: Oklch) -> tuple[int, int, int]:
    """Convert to sRGB, 0…255; chroma is lowered until the color exists."""
    lightness, chroma, hue = color
    while True:
        channels = _linear(lightness, chroma * cos(radians(hue)), chroma * sin(radians(hue)))
        if chroma <= 0 or all(-1e-4 <= channel <= 1 + 1e-4 for channel in channels):
            red, green, blue = (round(255 * _gamma(min(max(channel, 0.0), 1.0))) for channel in channels)
            return red, green, blue
        chroma = max(chroma - 0.004, 0.0)


def _linear(lightness: float, a: float, b: float) -> tuple[float, float, float]:
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )


def _gamma(channel: float) -> float:
    return 12.92 * channel if channel <= 0.0031308 else 1.055 * channel ** (1 / 2.4) - 0.055


def luminance(rgb: tuple[int, int, int]) -> float:
    """Relative luminance as WCAG 2 defines it, 0…1."""
    red, green, blue = ((c / 255 / 12.92) if c / 255 <= 0.04045 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in rgb)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(first: tuple[int, int, int], second: tuple[int, int, int]) -> float:
    """Contrast ratio as WCAG 2 defines it, 1…21."""
    dark, light = sorted((luminance(first), luminance(second)))
    return (light + 0.05) / (dark + 0.05)


def scale(dark: bool) -> list[Oklch]:
    """The sequential scale from 0 to 100 %: the further from the page, the more robust."""
    start, end = ((0.27, 0.03, 275), (0.88, 0.15, 118)) if dark else ((0.972, 0.022, 105), (0.37, 0.13, 262))
    span = [i / (STEPS - 1) for i in range(STEPS)]
    mix = [tuple(a + (b - a) * t for a, b in zip(start, end, strict=True)) for t in span]
    # A straight line in chroma looks washed out half way: lift the middle.
    return [
        (lightness, chroma + 0.035 * t * (1 - t) * 4, hue)
        for t, (lightness, chroma, hue) in zip(span, mix, strict=True)
    ]


def series(dark: bool) -> list[Oklch]:
    """Colors of lines; neighbors differ in lightness as well as in hue."""
    base = 0.76 if dark else 0.50
    return [(base + (0.08 if i % 2 else 0.0), 0.13, hue) for i, hue in enumerate(_HUES)]


def text_on(rgb: tuple[int, int, int]) -> tuple[int, int, int]:
    """Black or white, whichever reads better."""
    return max(((0, 0, 0), (255, 255, 255)), key=lambda text: contrast(text, rgb))


def variables(dark: bool) -> dict[str, str]:
    """CSS custom property → ``#rrggbb``."""
    colors = {name: to_rgb(pair[dark]) for name, pair in TOKENS.items()}
    for i, color in enumerate(scale(dark)):
        colors[f"h{i}"] = to_rgb(color)
        colors[f"t{i}"] = text_on(colors[f"h{i}"])
    colors |= {f"s{i}": to_rgb(color) for i, color in enumerate(series(dark))}
    return {name: "#" + bytes(rgb).hex() for name, rgb in colors.items()}


def css() -> str:
    """The rules that set every color: light, dark by preference, and either by the page's switch."""
    light, dark = (";".join(f"--{name}:{value}" for name, value in variables(mode).items()) for mode in (False, True))
    heat = "".join(f".h{i}{{--cell:var(--h{i});--on:var(--t{i})}}" for i in range(STEPS))
    lines = "".join(f".s{i}{{--series:var(--s{i})}}" for i in range(SERIES))
    return (
        f":root{{color-scheme:light;{light}}}"
        f"@media screen and (prefers-color-scheme:dark){{:root:not([data-theme=light]){{color-scheme:dark;{dark}}}}}"
        f"@media screen{{:root[data-theme=dark]{{color-scheme:dark;{dark}}}}}"
        f"{heat}{lines}"
    )
