"""The models that attacks are timed on: small CNNs on digits or MNIST, trained on first use and kept in the cache.

The two that are trained adversarially take some minutes on digits, and a quarter of an hour on MNIST.
"""

from __future__ import annotations

from frontdef.models.cache import ModelCache
from frontdef.models.recipes import default_recipe
from frontdef.models.request import ModelRequest
from frontdef.protected import Protected
from frontdef.registry import get_dataset, get_defense
from frontdef.stage import Stage

EPS = {"mnist": {"linf": 0.3, "l2": 2.0}, "digits": {"linf": 0.2, "l2": 2.5}}
"""Data set → norm → radius, [0,1] pixel values. The papers' on MNIST; the wavelet paper's is 0.2."""

IMAGES = {"mnist": 12_000, "digits": None}
"""Data set → training images of each model; None takes all."""

MODELS = {"undefended": "none", "wavelet": "wavelet", "trained": "none", "trades": "none"}
"""Model → its front end."""


def recipe(name: str, dataset: str) -> tuple[Stage, ...]:
    """How a model is trained; ε is approached, because training on the whole of it at once does not get going."""
    if name not in {"trained", "trades"}:
        return default_recipe(dataset)
    loss = "trades" if name == "trades" else "cross-entropy"
    eps = EPS[dataset]["linf"]
    steps = {"adversarial": "linf", "attack_steps": 5, "loss": loss, "lr": 1e-3, "batch_size": 50}
    slow = (Stage(epochs=2, eps=eps / 2, **steps),) if dataset == "mnist" else ()
    first = Stage(epochs=1 if slow else 4, lr=1e-3, batch_size=50)
    return (first, *slow, Stage(epochs=8, final_lr=1e-4, eps=eps, **steps))


def load(name: str, dataset: str) -> Protected:
    """A model of the cache, trained where it is not there yet."""
    config = get_defense(MODELS[name]).configure({}).model_dump(mode="json")
    request = ModelRequest(dataset, "small-cnn", MODELS[name], config, recipe(name, dataset), IMAGES[dataset], 0)
    trained = ModelCache().get_or_train(
        request, progress=lambda epoch, epochs, *_: print(f"training {name}: epoch {epoch} of {epochs}", flush=True)
    )
    return Protected(trained.front_end, trained.classifier, image_shape=get_dataset(dataset).image_shape)
