"""What a type checker must refuse: an ignored error that is none is an error. It is checked, not run."""

from __future__ import annotations

from torch import Tensor, nn

import frontdef
from frontdef.matrix.results import MatrixResults


def calls(net: nn.Module, images: Tensor, labels: Tensor, results: MatrixResults) -> None:
    frontdef.evaluate("net", images, labels)  # type: ignore[arg-type]
    frontdef.evaluate(net, images, labels, nrom="linf")  # type: ignore[call-arg]
    frontdef.evaluate(net, images, labels, on_job=3)  # type: ignore[arg-type]
    frontdef.protect(net, 3)  # type: ignore[arg-type]
    frontdef.protect(net, "wavelet")(3)  # type: ignore[arg-type]
    frontdef.load("wavelet", image_shape=28)  # type: ignore[arg-type]
    frontdef.import_claim(3, results, net)  # type: ignore[arg-type]
    frontdef.ThreatModel("linf", "large")  # type: ignore[arg-type]
    results.wosrt()  # type: ignore[attr-defined]
    results.report() + 1  # type: ignore[operator]


def records() -> None:
    frontdef.Defense("rounding", 3)  # type: ignore[arg-type]
    frontdef.Metric("confidence", 3)  # type: ignore[arg-type]
    frontdef.Logger("text", 3)  # type: ignore[arg-type]
    frontdef.Zoo("lab", 3, 4)  # type: ignore[arg-type]
