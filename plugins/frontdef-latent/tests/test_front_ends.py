"""The five front ends: what each computes, and that it treats every image on its own."""

from __future__ import annotations

import copy

import pytest
import torch

from frontdef.errors import ConfigError, ImageError, UnknownNameError

NAMES = ["latent-ae", "latent-vae", "latent-vae-sample", "latent-ae-projection", "latent-vae-projection"]
PROJECTIONS = ["latent-ae-projection", "latent-vae-projection"]


@pytest.mark.parametrize("name", NAMES)
def test_an_image_becomes_a_code(build, images, name):
    front_end = build(name, image_shape=(3, 4, 5))
    code = front_end(images(2, 3, 4, 5))
    assert code.shape == (2, 32)
    assert code.dtype == torch.float32
    assert build(name, latent=7)(images(2, 1, 4, 4)).shape == (2, 7)
    assert not front_end.keeps_range


def test_encoders_by_their_layers(build, images):
    x = images(5, 1, 4, 4)
    autoencoder = build("latent-ae")
    torch.testing.assert_close(autoencoder(x), autoencoder.network.encoder(x.flatten(1)))
    mean = build("latent-vae")
    torch.testing.assert_close(mean(x), mean.network.encoder(x.flatten(1))[:, :32])


def test_samples_scatter_around_the_mean(build, images):
    """4,000 draws: the standard error of a mean is σ/63, that of a standard deviation σ/89."""
    x = images(1, 1, 4, 4)
    sampled, mean = build("latent-vae-sample"), build("latent-vae")
    draws = sampled(x.expand(4000, -1, -1, -1))
    deviation = (mean.network.encoder(x.flatten(1))[0, 32:] / 2).exp()
    assert ((draws.mean(0) - mean(x)[0]).abs() < 5 * deviation / 63).all()
    assert ((draws.std(0) - deviation).abs() < 5 * deviation / 89).all()


def test_draws_are_new_at_every_call_and_repeat_by_seed(build, images):
    x, front_end = images(2, 1, 4, 4), build("latent-vae-sample")
    state = torch.get_rng_state()
    front_end.reseed(3)
    first, second = front_end(x), front_end(x)
    front_end.reseed(3)
    assert torch.equal(front_end(x), first)
    assert not torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", ["latent-ae", "latent-vae", *PROJECTIONS])
def test_a_batch_is_its_images(trained, digits, name):
    """Bit for bit, on trained networks, whose descent is less tame; a damaged image damages no other."""
    front_end = trained(name).front_end
    x = digits["test"].images[:6].clone()
    x[4] = torch.nan
    together = front_end(x)
    alone = torch.cat([front_end(image[None]) for image in x])
    torch.testing.assert_close(together, alone, rtol=0, atol=0, equal_nan=True)
    assert together.isnan().any(1).tolist() == [row == 4 for row in range(6)]


@pytest.mark.parametrize("name", PROJECTIONS)
def test_the_projection_is_nearer_than_the_encoders_reconstruction(trained, digits, name):
    """From the encoder's code a descent can only go down: here it must, on every digit."""
    front_end, x = copy.deepcopy(trained(name).front_end), digits["test"].images
    front_end.config = front_end.config.model_copy(update={"start": "encoder"})
    encoded = front_end.decode(front_end.network.code(front_end.encode(x)).float())
    apart = [(image - x).flatten(1).norm(dim=1) for image in (front_end.projected(x), encoded)]
    assert (apart[0] < apart[1]).all()


def test_starts(build, images):
    """After no movement to speak of, the code is where the descent started."""
    x, tiny = images(3, 1, 4, 4), {"steps": 1, "lr": 1e-9, "latent": 4}
    encoder = build("latent-ae-projection", start="encoder", **tiny)
    torch.testing.assert_close(encoder(x), build("latent-ae", latent=4)(x))
    assert build("latent-ae-projection", start="zeros", **tiny)(x).abs().max() < 1e-6
    random = build("latent-ae-projection", **tiny)(x)
    assert torch.equal(random[0].expand(3, -1).round(decimals=5), random.round(decimals=5))
    assert random[0].abs().max() > 0.1
    assert not torch.equal(random, build("latent-ae-projection", start_seed=1, **tiny)(x))
    assert torch.equal(random, build("latent-ae-projection", **tiny)(x))


def test_figures(trained, digits):
    front_end, x = trained("latent-ae").front_end, digits["test"].images[:6]
    figures = front_end.figures(x)
    clean, decoded, codes = figures.values()
    assert torch.equal(clean, x)
    assert (decoded - x).abs().mean() < (x.mean(0) - x).abs().mean()
    assert codes.shape == (6, 1, 28, 28)
    assert all(0 <= picture.min() <= picture.max() <= 1 for picture in figures.values())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"latent": 0}, "latent = 0: .*greater than or equal to 1"),
        ({"steps": 0}, "steps = 0: .*greater than or equal to 1"),
        ({"lr": 0.0}, "lr = 0.0: .*greater than 0"),
        ({"start": "mean"}, "'random', 'zeros' or 'encoder'"),
        ({"optimizer": "sgd"}, "'gradient' or 'adam'"),
        ({"reconstruction": "l1"}, "'bce' or 'mse'"),
        ({"slope": 1.0}, "less than 1"),
        ({"latents": 8}, "did you mean 'latent'"),
    ],
    ids=str,
)
def test_bad_values_are_named(defenses, values, message):
    with pytest.raises(ConfigError, match=message):
        defenses["latent-ae-projection"].build(values, image_shape=(1, 4, 4))


@pytest.mark.parametrize("name", NAMES)
def test_bad_images_are_named(build, trained, name):
    with pytest.raises(ConfigError, match=r"image_shape=\(C, H, W\)"):
        build(name, image_shape=None)
    with pytest.raises(ImageError, match=r"\(N,1,4,4\) are expected, got \(2, 1, 5, 4\)"):
        build(name)(torch.rand(2, 1, 5, 4))
    with pytest.raises(ImageError, match="NaN"):
        trained(name).predict(torch.full((1, 1, 28, 28), torch.nan))


def test_unknown_surrogate(build):
    with pytest.raises(UnknownNameError, match="'unrolled'"):
        build("latent-ae-projection", surrogate="unroled")
    with pytest.raises(UnknownNameError, match="Known: true"):
        build("latent-ae", surrogate="encoder")


def test_the_defaults_are_the_reports(defenses):
    config = defenses["latent-vae-projection"].configure({})
    assert (config.latent, config.hidden, config.steps, config.optimizer) == (32, 150, 500, "gradient")
    assert (config.start, config.beta) == ("random", 1.0)
