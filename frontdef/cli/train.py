"""``frontdef train``."""

from __future__ import annotations

from pathlib import Path

import click

from frontdef.cli.arguments import parse_config
from frontdef.models import saved


@click.command()
@click.argument("name")
@click.argument("values", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--dataset", default="digits", show_default=True, help="Data set to train on.")
@click.option("--classifier", help="Classifier behind it; default: the defense's own, or small-cnn.")
@click.option("--train-samples", type=click.IntRange(1), help="Training images; default: all.")
@click.option("--seed", type=int, default=0, show_default=True, help="Decides samples, initial weights and training.")
@click.option("--device", default="cpu", show_default=True, help="cpu or cuda.")
@click.option("--data", type=click.Path(path_type=Path), help="Folder of the data sets; default: FRONTDEF_DATA.")
@click.option("--cache", type=click.Path(path_type=Path), help="Folder of trained models; default: FRONTDEF_CACHE.")
@click.option("--download", is_flag=True, help="Allow data sets to be downloaded.")
@click.option("--out", type=click.Path(path_type=Path), help="File to write; default: NAME-DATASET.safetensors, here.")
def train(
    name: str,
    values: tuple[str, ...],
    dataset: str,
    classifier: str | None,
    train_samples: int | None,
    seed: int,
    device: str,
    data: Path | None,
    cache: Path | None,
    download: bool,
    out: Path | None,
) -> None:
    """Train the defense NAME with a classifier behind it, and write its weights.

    Configuration follows as KEY=VALUE, values in TOML. A training that is stopped goes on from its last checkpoint. The
    file serves `frontdef.load(NAME, weights=FILE)` in an ART pipeline and `frontdef.protect(None, NAME, weights=FILE)`.
    """
    from frontdef.errors import ConfigError
    from frontdef.models.load import check_device
    from frontdef.models.train import make_request, trained

    check_device(device)
    path = out or Path(f"{name}-{dataset}.safetensors".replace("/", "-").replace(":", "-"))
    if path.suffix != ".safetensors":
        raise ConfigError(f"--out names a file that ends in .safetensors, got {str(path)!r}")
    request = make_request(name, dataset, classifier, None, train_samples, seed, parse_config(values))

    def report(epoch: int, epochs: int, loss: float, accuracy: float) -> None:
        share = "" if accuracy != accuracy else f", training accuracy {accuracy:.1%}"
        click.echo(f"epoch {epoch}/{epochs}: loss {loss:.4f}{share}")

    model = trained(request, device=device, data=data, cache=cache, progress=report, download=download)
    saved.save(path, model.front_end, model.classifier, {key: v for key, v in model.about.items() if key != "sha256"})
    click.echo(f"{name} on {dataset}, {request.classifier} behind it: {path}")
