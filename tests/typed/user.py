"""What a user writes, fully typed: it is checked, not run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from art.estimators.classification import PyTorchClassifier
from torch import Tensor, nn

import frontdef
from frontdef import bpda
from frontdef.attacks.native.evasion import PGD
from frontdef.checks.masking import diagnose
from frontdef.matrix.results import MatrixResults


def evaluated(net: nn.Module, images: Tensor, labels: Tensor) -> MatrixResults:
    def told(ended: frontdef.JobEnded) -> None:
        print(ended.what, ended.about)

    results = frontdef.evaluate(
        net,
        images,
        labels,
        norm="linf",
        eps="8/255",
        defenses=["none", ("wavelet", {"keep": 0.1})],
        attacks="quick",
        on_job=told,
    )
    frontdef.evaluate(net, (images, labels), eps={"linf": [0.1, "8/255"], "l2": 1}, attacks=[{"family": "pgd"}])
    frontdef.evaluate(scores, images, labels, on_job="mlflow", out=Path("runs"))
    return results


def scores(x: Tensor) -> Tensor:
    return x.flatten(1)


def read(results: MatrixResults) -> float:
    worst: pd.DataFrame = results.worst()
    print(worst[["defense", "eps", "clean", "robust", "low", "high", "strongest"]])
    page: Path = results.report()
    print(page, results.path)
    for bracket in results.brackets():
        print(bracket.defense, bracket.eps, bracket.certified <= bracket.worst_case <= bracket.clean)
    for pair in results.agreement():
        print(pair.verdict)
    outcomes: pd.DataFrame = results.outcomes()
    again: MatrixResults = frontdef.load_results("runs/mine")
    counted = frontdef.import_claim("claim.zip", again, by="a reviewer")
    print(again.sql("select 1"), again.cells(), counted.failures())
    return float(outcomes["success"].mean())


def protected(net: nn.Module, x: np.ndarray, y: np.ndarray) -> Tensor:
    wavelet = frontdef.load("wavelet", keep=0.1, image_shape=(1, 28, 28))
    print(wavelet.front_end.surrogate, wavelet.front_end(torch.tensor(x)).shape)
    PyTorchClassifier(net, nn.CrossEntropyLoss(), (1, 28, 28), 10, preprocessing_defences=[wavelet])
    model = frontdef.protect(net, "wavelet", keep=0.1, image_shape=(1, 28, 28))
    with model.surrogate("identity"):
        logits: Tensor = model(torch.tensor(x))
    print(model.passes.forward, model.eot(8).predict(x), model.foolbox_model())
    classifier = model.art_classifier(torch.optim.Adam(net.parameters(), lr=0.01))
    adversarial: np.ndarray = PGD(classifier, eps=0.1, eps_step=0.01, max_iter=10, loss="margin").generate(x, y)
    diagnosis = diagnose(model, torch.tensor(x), torch.tensor(y), frontdef.ThreatModel("linf", 0.1))
    print(diagnosis.verdict, adversarial.shape, bpda.IDENTITY.name)
    return logits


def listed() -> list[str]:
    names = [defense.name for defense in frontdef.get_defenses(norm="linf", certified=True)]
    names += [attack.family.name for attack in frontdef.get_attacks(library="native")]
    return names + [dataset.name for dataset in frontdef.get_datasets()]


def trained() -> None:
    model = frontdef.train("wavelet", dataset="digits", classifier="fc2")
    print(model)
