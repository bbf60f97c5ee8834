"""Is the wavelet front end's transform the faster one? Analysis and synthesis of a batch, against its peers.

Compared: this plugin's small matrices (one product a side); one dense matrix for the whole image; ptwt's
convolutions, where ptwt is installed (it has no periodization, so its ``periodic`` extension stands in and makes more
coefficients); PyWavelets on the batch, and image by image. Then the whole front end, forward and backward, and what the
selection takes of it. Every round runs each contender once, in turn, so that a slow moment of the machine hits all;
figures are medians, in processor time of one thread.

    python benchmarks/speed/wavelet.py [--rounds 30]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version

import numpy as np
import pywt
import torch
from frontdef_wavelet.config import WaveletConfig
from frontdef_wavelet.front_end import WaveletFrontEnd
from frontdef_wavelet.transform import pyramid

from frontdef.bpda import top_k_mask

try:
    import ptwt
except ImportError:
    ptwt = None

SHAPES = ((256, 1, 28, 28), (64, 3, 32, 32), (8, 3, 160, 160))
WAVELET = "bior4.4"
LARGEST_DENSE = 64 * 64
"""Beyond so many values an image the dense matrix is left out: it has the square of them."""

Contenders = Mapping[str, Callable[[], object]]


def medians(contenders: Contenders, rounds: int) -> dict[str, float]:
    """Median processor time of each contender in milliseconds, from interleaved rounds after a first unmeasured one."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for index in range(rounds + 1):
        for name, run in contenders.items():
            start = time.process_time_ns()
            run()
            if index:
                times[name].append((time.process_time_ns() - start) / 1e6)
    return {name: statistics.median(values) for name, values in times.items()}


def transforms(x: torch.Tensor) -> dict[str, Callable[[], object]]:
    """Analysis and synthesis of images ``(N,C,H,W)``, by each contender."""
    size = x.shape[-2:]
    matrices = pyramid(WAVELET, "periodization", 1, *size, x.dtype, x.device)
    contenders: dict[str, Callable[[], object]] = {
        "matrices (this plugin)": lambda: matrices.synthesis(matrices.analysis(x))
    }
    if size.numel() <= LARGEST_DENSE:
        identity = torch.eye(size.numel()).unflatten(1, size)
        analysis = matrices.analysis(identity)
        synthesis = matrices.synthesis(torch.eye(analysis.shape[-1])).flatten(1)
        contenders["dense matrix"] = lambda: (x.flatten(2) @ analysis) @ synthesis
    if ptwt is not None:
        contenders["ptwt, 2-D filters"] = lambda: ptwt.waverec2(
            ptwt.wavedec2(x, WAVELET, mode="periodic", level=1), WAVELET
        )
        contenders["ptwt, separable filters"] = lambda: ptwt.fswaverec2(
            ptwt.fswavedec2(x, WAVELET, mode="periodic", level=1), WAVELET
        )
    array = x.numpy()
    contenders["PyWavelets, batch"] = lambda: _pywavelets(array)
    contenders["PyWavelets, one by one"] = lambda: np.stack([_pywavelets(image) for image in array.reshape(-1, *size)])
    for name, run in contenders.items():
        wrong = (torch.as_tensor(run()).reshape(x.shape) - x).abs().max()
        assert wrong < 1e-5, f"{name} does not reconstruct the images: {wrong:.2g}"
    return contenders


def _pywavelets(array: np.ndarray) -> np.ndarray:
    return pywt.idwt2(pywt.dwt2(array, WAVELET, mode="periodization"), WAVELET, mode="periodization")


def front_end(x: torch.Tensor) -> dict[str, Callable[[], object]]:
    """The whole front end with the default surrogate, and its parts."""
    module = WaveletFrontEnd(WaveletConfig(), image_shape=x.shape[1:])
    inputs = x.clone().requires_grad_()
    count = module.n_kept(x.shape[1:])
    matrices = pyramid(WAVELET, "periodization", 1, *x.shape[-2:], torch.float64, x.device)
    coefficients = matrices.analysis(x.double()).float()
    return {
        "front end, forward": lambda: module(x),
        "front end, forward and backward": lambda: torch.autograd.grad(module(inputs), inputs, x),
        "of it the analysis in float64": lambda: matrices.analysis(x.double()),
        "of it the selection (top_k_mask)": lambda: top_k_mask(coefficients, count),
    }


def main() -> None:
    """Print one table a shape."""
    parser = argparse.ArgumentParser(description="Speed of the wavelet transform and of the front end.")
    parser.add_argument("--rounds", type=int, default=30, help="measured rounds a table")
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    versions = f"torch {torch.__version__}, PyWavelets {version('PyWavelets')}"
    print(f"{versions}, {WAVELET}, level 1, {rounds} rounds, 1 thread")
    if ptwt is None:
        print("ptwt is not installed and left out: pip install ptwt")
    for shape in SHAPES:
        x = torch.rand(shape, generator=torch.Generator().manual_seed(0))
        for title, contenders in (("analysis + synthesis", transforms(x)), ("whole front end", front_end(x))):
            timings = medians(contenders, rounds)
            base = next(iter(timings.values()))
            print(f"\n{title}, images {shape}")
            for name, value in timings.items():
                print(f"  {name:34} {value:9.2f} ms  {value / base:7.2f}x")


if __name__ == "__main__":
    main()
