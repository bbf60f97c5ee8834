"""A small run for the report's tests, computed in numpy on scikit-learn's digits and stored as the runner stores one.

The classifier is linear, so its certificate is exact and DeepFool has a closed form. Three "libraries" run the attacks:
``alpha`` and ``beta`` do the same, ``gamma`` moves half as far (weaker) and does not clip its noise (invalid).
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits

from frontdef.matrix.tables import CERTIFIED, DIAGNOSES, FIGURES, METRICS, RECORDS
from frontdef.runs.table import Rows
from tests.run_writer import RunWriter

HOSTILE = "<img src=x onerror=alert(1)>"
RADII = {"linf": [0.05, 0.1, 0.2], "l2": [0.3, 0.6]}
LIBRARIES = ("alpha", "beta", "gamma")
N = 60
TRACEBACK = (
    'Traceback (most recent call last):\n  File "cell.py", line 1, in run\nRuntimeError: </script><b>out of memory'
)

BROKE = {"DLR loss": [1000 + i for i in range(0, 60, 2)], "one step": [1003]}
"""What attacks of the diagnosis broke, by the ids of the samples."""

DIAGNOSIS = {
    "verdict": "masked", "norm": "linf", "eps": 0.1, "n": 60, "n_correct": 55, "n_certified": 0, "n_attacked": 55,
    "n_survived": 7, "surrogate": "identity", "seed": 0, "budget": {"steps": 40}, "seconds": 2.0,
    "cost": {"forward": 150.0, "backward": 60.0}, "versions": {"frontdef": "0.1.0"},
    "attempts": [
        {"name": "white box", "surrogate": "identity", "steps": 40, "restarts": 1, "n": 55, "broken": 48},
    ],
    "most": 60, "looks": [60], "detectable": 0.17,
    "findings": [
        {"name": "random noise", "status": "alarm", "alarm": True, "detail": "",
         "strength": "hint", "figure": 0.031, "threshold": 0.0,
         "meaning": "noise breaks more", "measured": "noise breaks 34%, PGD 31%",
         "reference": "Athalye et al. 2018", "cost": {"forward": 100.0, "backward": 40.0},
         "p": 0.002, "level": 0.005, "n": 55, "undecided": False},
        {"name": "transfer", "status": "not applicable", "alarm": False, "detail": "",
         "strength": "proof", "figure": None, "threshold": None,
         "meaning": "transfer breaks more", "measured": "no front end to leave out",
         "reference": "there", "cost": {"forward": 0.0, "backward": 0.0},
         "p": None, "level": None, "n": None, "undecided": False},
    ],
}  # fmt: skip
"""As `frontdef.checks.masking.record.Diagnosis.to_dict` gives it."""

FRONT_ENDS = {
    "none": lambda x: x,
    "rounding levels=3": lambda x: np.round(x * 2) / 2,
    HOSTILE: lambda x: np.clip(x, 0.25, 0.75),
}


def diagnosis() -> Rows:
    """What a diagnosis ends in."""
    checks = DIAGNOSIS["findings"]
    told = {name: value for name, value in DIAGNOSIS.items() if name != "findings"} | {"broke": BROKE}
    columns = {name: [check[name] for check in checks] for name in checks[0] if name in DIAGNOSES.stored}
    columns |= {f"{way}s": [check["cost"][way] for check in checks] for way in ("forward", "backward")}
    return Rows(columns, told)


def softmax(z):
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def fit(x, y, steps=300):
    w, b, onehot = np.zeros((64, 10)), np.zeros(10), np.eye(10)[y]
    for _ in range(steps):
        slope = softmax(x @ w + b) - onehot
        w, b = w - 0.5 * (x.T @ slope / len(x) + 1e-3 * w), b - 0.5 * slope.mean(0)
    return w, b


class Model:
    """A front end before softmax regression; its gradient is that of the identity."""

    def __init__(self, name, x, y):
        self.front_end = FRONT_ENDS[name]
        self.w, self.b = fit(self.front_end(x), y)

    def logits(self, x):
        return self.front_end(x) @ self.w + self.b

    def gradient(self, x, y):
        return (softmax(self.logits(x)) - np.eye(10)[y]) @ self.w.T


def fgsm(model, x, y, eps, rng):
    return np.clip(x + eps * np.sign(model.gradient(x, y)), 0, 1)


def bim(model, x, y, eps, rng):
    adv = x
    for _ in range(5):
        adv = np.clip(x + np.clip(adv + eps / 4 * np.sign(model.gradient(adv, y)) - x, -eps, eps), 0, 1)
    return adv


def noise(model, x, y, eps, rng):
    return np.clip(x + rng.uniform(-eps, eps, x.shape), 0, 1)


def deepfool(model, x, y, eps, rng):
    z, rows = model.logits(x), np.arange(len(x))
    own = z.argmax(1)
    normals = model.w.T[None] - model.w.T[own][:, None]
    gaps, lengths = z[rows, own][:, None] - z, np.linalg.norm(normals, axis=2)
    distances = np.where(lengths > 0, gaps / np.where(lengths > 0, lengths, 1), np.inf)
    to = distances.argmin(1)
    step = normals[rows, to] / lengths[rows, to][:, None] * distances[rows, to][:, None]
    return np.clip(x + 1.02 * step, 0, 1)


ATTACKS = [("fgsm", "linf", fgsm), ("bim", "linf", bim), ("noise", "linf", noise), ("deepfool", "l2", deepfool)]


def data():
    digits = load_digits()
    x, y = digits.images.reshape(-1, 64) / 16, digits.target
    return (x[:1000], y[:1000]), (x[1000 : 1000 + N], y[1000 : 1000 + N])


def certify(model, x, y, norm, eps):
    """Exact for a linear model in a ball that ignores the box: the margin against every class exceeds ε·‖wᵢ − wⱼ‖."""
    z, dual = model.logits(x), {"linf": 1, "l2": 2}[norm]
    reach = eps * np.linalg.norm(model.w.T[None] - model.w.T[y][:, None], ord=dual, axis=2)
    gaps = z[np.arange(len(x)), y][:, None] - z
    return ((gaps > reach) | (np.arange(10)[None] == y[:, None])).all(1)


def columns(model, x, adv, y, norm, eps):
    delta, clean, seen = adv - x, model.logits(x), model.logits(np.clip(adv, 0, 1))
    in_box = ((adv >= -1e-6) & (adv <= 1 + 1e-6)).all(1)
    values = {
        "sample_id": 1000 + np.arange(len(x)),
        "label": y,
        "clean_prediction": clean.argmax(1),
        "clean_correct": clean.argmax(1) == y,
        "target": np.full(len(x), -1),
        "adversarial_prediction": seen.argmax(1),
        "linf": np.abs(delta).max(1),
        "l2": np.linalg.norm(delta, axis=1),
        "l1": np.abs(delta).sum(1),
        "l0": (np.abs(delta) > 1e-6).sum(1).astype(float),
        "in_box": in_box,
        "finite": np.ones(len(x), bool),
    }
    values["valid"] = in_box & (values[norm] <= (np.inf if eps is None else eps) + 1e-6)
    values["success"] = values["valid"] & (values["adversarial_prediction"] != y)
    loss = {f"loss_{name}": -np.log(softmax(z)[np.arange(len(x)), y]) for name, z in (("clean", clean), ("adv", seen))}
    return {**values, **loss, "margin": np.zeros(len(x))}


def make_run(root: Path) -> Path:
    """Write the run: all cells but one that failed and one that was not run; certificates of the linear model."""
    (x_train, y_train), (x, y) = data()
    writer, number = RunWriter(root), 0
    models = {name: Model(name, x_train, y_train) for name in FRONT_ENDS}
    image = lambda flat: torch.tensor(np.asarray(flat), dtype=torch.float32).reshape(-1, 1, 8, 8)  # noqa: E731
    for defense, model in models.items():
        for family, norm, attack in ATTACKS:
            for eps in [None] if family == "deepfool" else RADII[norm]:
                for library in LIBRARIES:
                    key = f"{number:024d}"
                    cell = {
                        "cell": key, "dataset": "digits8", "classifier": "softmax", "network": "softmax",
                        "defense": defense, "defense_id": defense, "surrogate": "", "source": "", "family": family,
                        "norm": norm, "eps": eps, "judged_eps": eps or RADII[norm][-1],
                        "parameters": json.dumps({"steps": 5} if family == "bim" else {}), "library": library,
                        "library_version": "1.0", "seed": number,
                    }  # fmt: skip
                    number += 1
                    what = (defense, family, eps, library)
                    if what == ("rounding levels=3", "bim", 0.2, "beta"):
                        writer.add(RECORDS, key, cell, failure=TRACEBACK)
                        continue
                    if what == ("none", "noise", 0.05, "beta"):
                        writer.add(RECORDS, key, cell)
                        continue
                    adv = attack(model, x, y, eps, np.random.default_rng(7))
                    if library == "gamma":
                        adv = (
                            x + (adv - x) / 2
                            if family != "noise"
                            else x + np.random.default_rng(7).uniform(-eps, eps, x.shape)
                        )
                    adv = adv.astype(np.float32).astype(float)
                    about = {"forwards": 6.0, "backwards": 5.0, "seconds": 0.01, "call": f"{library}.{family}",
                             "difference": "half the step" if library == "gamma" else ""}  # fmt: skip
                    examples = {"x_adv": image(adv), "seen": image(model.front_end(np.clip(adv, 0, 1)))}
                    writer.add(RECORDS, key, cell, Rows(columns(model, x, adv, y, norm, eps), about, examples))
    where = {"dataset": "digits8", "classifier": "softmax"}
    for norm, radii in RADII.items():
        for eps in radii:
            proved = certify(models["none"], x, y, norm, eps)
            about = {**where, "defense": "none", "norm": norm, "eps": eps}
            writer.add(CERTIFIED, f"{norm}{eps}", about, Rows({"sample_id": 1000 + np.arange(N), "certified": proved}))
    pictures = {"after the front end": image(models["rounding levels=3"].front_end(x[:8]))}
    rows = Rows({"title": list(pictures), "pictures": [8]}, tensors=pictures)
    writer.add(FIGURES, "rounding", {**where, "defense": "rounding levels=3"}, rows)
    about = {**where, "defense": HOSTILE, "norm": DIAGNOSIS["norm"], "eps": DIAGNOSIS["eps"]}
    writer.add(DIAGNOSES, "masked", about, diagnosis())
    for place, (defense, model) in enumerate(models.items()):
        gap = np.sort(model.logits(x), 1)
        values = {"gap": gap[:, -1] - gap[:, -2], "right": (model.logits(x).argmax(1) == y).astype(float)}
        columns_ = {
            "sample_id": np.tile(1000 + np.arange(N), 2),
            "quantity": np.repeat(list(values), N),
            "value": np.concatenate(list(values.values())),
        }
        about = {**where, "defense": defense, "metric": "gap", "parameters": '{"k": 2}', "unit": "logits"}
        writer.add(METRICS, f"metric{place}", about, Rows(columns_, {"better": "higher"}))
    writer.clean("digits8", {"images": image(x), "labels": torch.tensor(y)})
    writer.finish(
        frontdef="0.1.0", versions={"python": "3", "numpy": np.__version__}, device="cpu",
        started="2025-01-01T10:00:00+00:00", command="frontdef run sample.toml", name="sample",
        document={"name": "sample", "seed": 3}, radii=RADII, skipped=("fgsm in l2: alpha does not offer it",),
        samples={"digits8": "digits8"},
    )  # fmt: skip
    return root
