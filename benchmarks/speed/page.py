"""The report at a real size: what it costs to build, what it weighs, and how long a person waits in the browser.

    python benchmarks/speed/page.py                      # 30 defenses × 30 attacks × 4 libraries × 1,000 samples
    python benchmarks/speed/page.py --rounds 3 --keep FOLDER

The outcomes are drawn (`drawn_run.py`), in two shapes: 30 families at one radius, where one view holds the whole run,
and 10 families at three radii. The report is built by `frontdef report` in a process of its own and opened in
headless Chromium, a round at each width. *First draw* is Chromium's first contentful paint, *ready* the first frame
after all scripts have run; a deed is measured from its event to the end of the frame that follows. Both as wall time,
which other work on the machine makes longer, and as processor time of the page's main thread.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import drawn_run
import record
from process import spent

SHAPES = {
    "30 families, one radius": drawn_run.Size(families=30, radii=1),
    "10 families, three radii": drawn_run.Size(families=10, radii=3),
}
WIDTHS = (1280, 768, 390)

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync", "--disable-extensions",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
)  # fmt: skip

TICK = """
const box = document.querySelector('.menu[data-kind={}] input');
box.checked = {};
box.dispatchEvent(new Event('change', {{bubbles: true}}));
"""
SORT = "document.querySelector('{} thead th.num button').click();"

DEEDS = {
    "open a menu": "document.querySelector('.menu[data-kind=d] summary').click();",
    "leave a defense out": TICK.format("d", "false"),
    "leave an attack out": TICK.format("f", "false"),
    "leave a library out": TICK.format("l", "false"),
    "take a library in": TICK.format("l", "true"),
    "leave every defense out": "document.querySelector('.menu[data-kind=d] [data-action=none]').click();",
    "reset": "document.querySelector('#reset').click();",
    "another ε": """
        const eps = document.querySelector('#eps');
        eps.selectedIndex = (eps.selectedIndex + 1) % eps.length;
        eps.dispatchEvent(new Event('change', {bubbles: true}));""",
    "go to the heat map": "document.querySelector('#heat').scrollIntoView();",
    "leave an attack out there": TICK.format("f", "false"),
    "take it in there": TICK.format("f", "true"),
    "sort the heat map": SORT.format("#heat .pane:not([hidden]) .heat-map"),
    "sort every cell": SORT.format("#cells .cells"),
    "go to every cell": "document.querySelector('#cells .scroll').scrollIntoView();",
    "leave a library out there": TICK.format("l", "false"),
    "take it in": TICK.format("l", "true"),
    "see 100 more": "document.querySelector('#cells .rest button').click();",
    "open a cell": "document.querySelector('#heat .pane:not([hidden]) td.heat a').click();",
    "close it": "document.querySelector('#drawer').close();",
    "open a verdict": "document.querySelector('.pane:not([hidden]) .chip summary').click();",
    "open a cause": "document.querySelector('.cause:not([hidden]) summary').click();",
    "light and dark": "document.querySelector('#theme').click();",
}
"""What a person does → as a script."""

MEASURE = """
const done = arguments[arguments.length - 1];
requestAnimationFrame(() => setTimeout(() => {
  const from = performance.now();
  (() => { %s })();
  requestAnimationFrame(() => setTimeout(() => done(performance.now() - from)));
}));
"""

OPENED = """
const done = arguments[arguments.length - 1];
const told = () => requestAnimationFrame(() => setTimeout(() => done({
  first: performance.getEntriesByName("first-contentful-paint")[0].startTime,
  ready: performance.now(),
})));
document.readyState === "complete" ? told() : addEventListener("load", told);
"""


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser."""
    from selenium import webdriver

    with tempfile.TemporaryDirectory() as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium") or ""
        options.page_load_strategy = "none"
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
        try:
            yield driver
        finally:
            driver.quit()


def opened(driver: Any, page: Path, width: int) -> dict[str, tuple[float, float | None]]:
    """Open the page anew: to the first draw, and until it is ready, wall and processor time in milliseconds."""
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    driver.get("about:blank")
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    driver.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
    before = _busy(driver)
    driver.get(page.as_uri())
    while not driver.current_url.startswith("file:"):
        pass
    told = driver.execute_async_script(OPENED)
    return {"first draw": (told["first"], None), "ready": (told["ready"], _busy(driver) - before)}


def done(driver: Any, script: str) -> tuple[float, float]:
    """Do something on the page: wall and processor time in milliseconds."""
    before = _busy(driver)
    wall = float(driver.execute_async_script(MEASURE % script))
    return wall, _busy(driver) - before


def _busy(driver: Any) -> float:
    """Milliseconds that the main thread has worked."""
    metrics = {row["name"]: row["value"] for row in driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]}
    return 1000 * float(metrics["TaskDuration"])


def measured(driver: Any, page: Path, rounds: int) -> list[dict[str, Any]]:
    """At each width: opening the page, and each deed on it."""
    rows = []
    for width in WIDTHS:
        times: dict[str, list[tuple[float, float | None]]] = {}
        for _ in range(rounds):
            taken = {**opened(driver, page, width), **{what: done(driver, script) for what, script in DEEDS.items()}}
            for what, both in taken.items():
                times.setdefault(what, []).append(both)
        for what, pairs in times.items():
            walls, processor = [wall for wall, _ in pairs], [busy for _, busy in pairs if busy is not None]
            row = {"width": f"{width} px", "what": what, "wall": record.spread(walls)}
            rows.append(row | ({"processor": record.spread(processor)} if processor else {}))
    return rows


def main() -> None:
    """Measure and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--side", type=int, default=8, help="Pixels along an edge of an image.")
    parser.add_argument("--keep", type=Path, help="Folder for runs and pages, kept; a run that it has is not written.")
    parser.add_argument("--json", type=Path, help="Write the figures there as well.")
    options = parser.parse_args()
    folder = options.keep or Path(tempfile.mkdtemp())
    shapes = []
    for number, (name, size) in enumerate(SHAPES.items()):
        size = replace(size, side=options.side)
        run, page = folder / f"run{number}", folder / f"page{number}.html"
        if not run.exists():
            drawn_run.write(run, size)
        cost = spent([sys.executable, "-m", "frontdef", "report", str(run.resolve()), "--out", str(page.resolve())])
        if not options.keep:
            shutil.rmtree(run)
        with chromium() as driver:
            rows = measured(driver, page.resolve(), options.rounds)
            nodes = driver.execute_script("return document.querySelectorAll('*').length")
        built = {"seconds": cost.seconds, "mebibytes": cost.mebibytes, "megabytes": page.stat().st_size / 1e6}
        shapes.append(
            {"shape": name, "cells": size.cells, "samples": size.samples, "elements": nodes, **built, "rows": rows}
        )
        print(f"{name}: {built}, {nodes} elements")
        for row in rows:
            own = f", {row['processor']['median']:5.0f} ms of the processor" if "processor" in row else ""
            print(f"  {row['width']:8} {row['what']:24} {row['wall']['median']:7.0f} ms{own}", flush=True)
    if not options.keep:
        shutil.rmtree(folder)
    if options.json:
        record.write(options.json, {"rounds": options.rounds, "side": options.side, "shapes": shapes}, ("frontdef",))


if __name__ == "__main__":
    main()
