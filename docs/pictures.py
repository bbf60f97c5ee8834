"""The report's picture in README: ``python docs/pictures.py runs/digits``. Needs Chromium and its driver."""

from __future__ import annotations

import argparse
import io
import shutil
import tempfile
from pathlib import Path

from PIL import Image
from selenium import webdriver

from frontdef.runs.results import load_results

PICTURE = Path(__file__).parent / "images" / "report.png"
WIDTH, HEIGHT, COLORS = 1280, 1330, 64


def main() -> None:
    """Draw a run's report and keep its first screens, in few colors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    run = parser.parse_args().run
    options = webdriver.ChromeOptions()
    options.binary_location = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(flag)
    with tempfile.TemporaryDirectory() as folder:
        page = load_results(run).report(Path(folder) / "report.html")
        driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
        size = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        driver.get(page.as_uri())
        picture = Image.open(io.BytesIO(driver.get_screenshot_as_png())).convert("RGB")
        driver.quit()
    PICTURE.parent.mkdir(exist_ok=True)
    picture.quantize(COLORS).save(PICTURE, optimize=True)


if __name__ == "__main__":
    main()
