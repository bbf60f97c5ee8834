"""torchattacks' attacks, with every parameter mapped and every difference named (docs/attacks.md explains them)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, cast

from frontdef.attacks.library import AttackLibrary, Cause, Realization, Run, Violation
from frontdef.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

    from frontdef.attacks.spec import AttackSpec
    from frontdef.protected import Protected

Arguments = Callable[["AttackSpec", "Protected", "Tensor"], dict[str, Any]]
"""``(spec, model, images)`` → keyword arguments of a torchattacks attack."""

_NORMS = {"linf": "Linf", "l2": "L2"}
_LOSSES = {"cross-entropy": "ce", "dlr": "dlr"}
_EAD_RULES = {"EN": "EADEN", "L1": "EADL1"}
_KERNEL_CHANNELS = 3


class TorchattacksLibrary(AttackLibrary):
    """torchattacks."""

    name: ClassVar[str] = "torchattacks"
    distribution: ClassVar[str] = "torchattacks"
    read: ClassVar[str] = "3.5.1"

    def table(self) -> Mapping[tuple[str, str], Realization]:
        """What is offered."""
        return TABLE


def _run(attack: str, arguments: Arguments) -> Run:
    """A run of ``torchattacks.<attack>`` on the whole batch at once."""

    def run(spec: AttackSpec, protected: Protected, x: Tensor, y: Tensor) -> Tensor:
        method = _build(attack, spec, protected, protected.device, **arguments(spec, protected, x))
        return cast("Tensor", method(x, y)).detach()

    return run


def _build(attack: str, spec: AttackSpec, model: Module, device: Any, **arguments: Any) -> Any:
    """``torchattacks.<attack>`` on a model; restarts through its own parameter, else through ``MultiAttack``."""
    try:
        import torchattacks
    except ImportError:
        raise MissingExtraError("attack library 'torchattacks'", "torchattacks") from None
    method = getattr(torchattacks, attack)(model, **arguments)
    method.set_device(device)  # found by torchattacks itself only where the model has parameters
    if spec.targeted:
        method.set_mode_targeted_by_label(quiet=True)
    restarts = 1 if spec.defaults else getattr(spec.parameters, "restarts", 1)
    return torchattacks.MultiAttack([method] * restarts) if restarts > 1 and "n_restarts" not in arguments else method


def _run_ead(arguments: Arguments) -> Run:
    """A run of the class whose rule picks the best example."""

    def run(spec: AttackSpec, protected: Protected, x: Tensor, y: Tensor) -> Tensor:
        return _run(_EAD_RULES[spec.parameters.rule], arguments)(spec, protected, x, y)

    return run


def _run_tifgsm(arguments: Arguments) -> Run:
    """A run of ``TIFGSM``, whose kernel has three channels: images with fewer get empty ones that the model ignores."""

    def run(spec: AttackSpec, protected: Protected, x: Tensor, y: Tensor) -> Tensor:
        from torch.nn import functional as F

        channels = x.shape[1]
        model = _first_channels(protected, channels)
        method = _build("TIFGSM", spec, model, protected.device, **arguments(spec, protected, x))
        padded = F.pad(x, (0, 0, 0, 0, 0, _KERNEL_CHANNELS - channels))
        return cast("Tensor", method(padded, y)).detach()[:, :channels]

    return run


def _first_channels(model: Module, channels: int) -> Module:
    """The same model, reading only the first channels of an image."""
    from torch import nn

    class FirstChannels(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, images: Tensor) -> Tensor:
            return cast("Tensor", self.model(images[:, :channels]))

    return FirstChannels().eval()


def _offer(
    attack: str,
    arguments: Arguments,
    minimal: Arguments,
    difference: str = "",
    *causes: Cause,
    unsupported: Mapping[str, Any] | None = None,
    caveat: str = "",
    where: tuple[str, ...] = (),
    violations: tuple[Violation, ...] | None = (),
    weakens: tuple[Cause, ...] = (),
    strengthens: tuple[Cause, ...] = (),
    single: bool = False,
) -> Realization:
    """A call with every parameter mapped by ``arguments``, and with the threat model alone, by ``minimal``."""
    run, defaults = _run(attack, arguments), _run(attack, minimal)
    return Realization(
        attack,
        run,
        difference,
        unsupported,
        caveat,
        causes,
        defaults,
        where,
        violations,
        (),
        weakens,
        strengthens,
        single,
    )


def _nothing(*_: Any) -> dict[str, Any]:
    return {}


def _radius(spec: AttackSpec, *_: Any) -> dict[str, Any]:
    return {"eps": spec.threat.eps}


def _ball(spec: AttackSpec, *_: Any) -> dict[str, Any]:
    # torchattacks seeds torch's generator itself: with 0 where nobody says otherwise, or with the time of day.
    return {"norm": _NORMS[spec.threat.norm], "eps": spec.threat.eps, "seed": spec.seed}


def _class_ball(spec: AttackSpec, protected: Protected, *_: Any) -> dict[str, Any]:
    return {**_ball(spec), "n_classes": protected.n_classes}


def _steps(spec: AttackSpec, *_: Any) -> dict[str, Any]:
    return {"eps": spec.threat.eps, "alpha": spec.step_size, "steps": spec.parameters.steps}


def _pgd(spec: AttackSpec, *_: Any) -> dict[str, Any]:
    return {**_steps(spec), "random_start": spec.parameters.random_start}


def _momentum(spec: AttackSpec, *_: Any) -> dict[str, Any]:
    return {**_steps(spec), "decay": spec.parameters.decay}


def _cw(spec: AttackSpec, *_: Any) -> dict[str, Any]:
    return {"c": spec.parameters.initial_const, "kappa": 0, "steps": spec.parameters.steps, "lr": spec.parameters.lr}


def _deepfool(spec: AttackSpec, *_: Any) -> dict[str, Any]:
    return {"steps": spec.parameters.steps, "overshoot": spec.parameters.overshoot}


def _restarted(spec: AttackSpec, *_: Any) -> dict[str, Any]:
    options = {"steps": spec.parameters.steps, "n_restarts": spec.parameters.restarts, "rho": spec.parameters.rho}
    return {**_ball(spec), **options}


def _apgd(spec: AttackSpec, *_: Any) -> dict[str, Any]:
    return {**_restarted(spec), "loss": _LOSSES[spec.parameters.loss]}


def _apgdt(spec: AttackSpec, protected: Protected, *_: Any) -> dict[str, Any]:
    return {**_restarted(spec), "n_classes": min(spec.parameters.classes + 1, protected.n_classes)}


def _run_autoattack(spec: AttackSpec, protected: Protected, x: Tensor, y: Tensor) -> Tensor:
    """A run of AutoAttack's parts with the budgets of the paper: its own class has none to set."""
    import torchattacks

    parts = [
        _build(name, spec, protected, protected.device, **arguments(spec, protected, x))
        for name, arguments in _ENSEMBLES[spec.parameters.version]
    ]
    return cast("Tensor", torchattacks.MultiAttack(parts)(x, y)).detach()


def _climb(spec: AttackSpec, *_: Any) -> dict[str, Any]:
    return {**_ball(spec), "steps": spec.parameters.steps}


def _climb_classes(spec: AttackSpec, protected: Protected, *_: Any) -> dict[str, Any]:
    return {**_climb(spec), "n_classes": protected.n_classes}


def _fab_classes(spec: AttackSpec, protected: Protected, *_: Any) -> dict[str, Any]:
    return {**_climb_classes(spec, protected), "multi_targeted": True}


def _climb_expectation(loss: str) -> Arguments:
    return lambda spec, *_: {**_climb(spec), "loss": loss, "eot_iter": 20}


def _search(spec: AttackSpec, *_: Any) -> dict[str, Any]:
    return {**_ball(spec), "n_queries": spec.parameters.queries, "resc_schedule": False}


_ENSEMBLES: Mapping[str, tuple[tuple[str, Arguments], ...]] = {
    "standard": (("APGD", _climb), ("APGDT", _climb_classes), ("FAB", _fab_classes), ("Square", _search)),
    "rand": (("APGD", _climb_expectation("ce")), ("APGD", _climb_expectation("dlr"))),
}
"""Parts of AutoAttack by version; each gets what the ones before it have left."""


def _square(spec: AttackSpec, *_: Any) -> dict[str, Any]:
    # n_queries counts the proposals after the first stripes, which cost a query as well.
    return {
        **_ball(spec),
        "n_queries": spec.parameters.queries - 1,
        "n_restarts": spec.parameters.restarts,
        "p_init": spec.parameters.p_init,
        "resc_schedule": spec.parameters.rescale_schedule,
    }


def _tiled(arguments: Arguments) -> Arguments:
    """Refuse images that ``Square`` cannot tile in ℓ2."""

    def tiled(spec: AttackSpec, protected: Protected, x: Tensor) -> dict[str, Any]:
        height, width = x.shape[2:]
        tile = height // 5
        start = (height - 5 * tile) // 2
        # What lies outside is empty, and an empty slice takes a single value but no larger tile.
        if tile == 0 or (tile > 1 and any(start + side // tile * tile > side for side in (height, width))):
            raise ConfigError(f"torchattacks' Square cannot tile images of {height} × {width} pixels in ℓ2")
        return arguments(spec, protected, x)

    return tiled


def _fab(spec: AttackSpec, *_: Any) -> dict[str, Any]:
    return {
        **_ball(spec),
        "steps": spec.parameters.steps,
        "alpha_max": spec.parameters.alpha_max,
        "eta": spec.parameters.eta,
        "beta": spec.parameters.beta,
    }


def _ead(spec: AttackSpec, *_: Any) -> dict[str, Any]:
    # abort_early stops the whole batch on its summed loss, and divides by zero below ten steps.
    return {
        "kappa": 0,
        "lr": spec.parameters.lr,
        "binary_search_steps": spec.parameters.binary_search_steps,
        "max_iterations": spec.parameters.steps,
        "abort_early": False,
        "initial_const": spec.parameters.initial_const,
        "beta": spec.parameters.beta,
    }


def _jsma(spec: AttackSpec, *_: Any) -> dict[str, Any]:
    return {"theta": spec.parameters.theta, "gamma": spec.parameters.gamma}


def _pixels(spec: AttackSpec, _: Protected, x: Tensor) -> dict[str, Any]:
    channels = x.shape[1]
    if spec.threat.eps < channels:
        raise ConfigError(f"a pixel of {channels} channels is {channels} values: ε is at least that, got {spec.threat}")
    return {"pixels": int(spec.threat.eps) // channels}


def _pixel(spec: AttackSpec, protected: Protected, x: Tensor) -> dict[str, Any]:
    return {**_pixels(spec, protected, x), "steps": spec.parameters.steps, "popsize": spec.parameters.population}


def _eotpgd(spec: AttackSpec, *_: Any) -> dict[str, Any]:
    return {**_pgd(spec), "eot_iter": spec.parameters.draws}


def _difgsm(spec: AttackSpec, *_: Any) -> dict[str, Any]:
    options = {"resize_rate": spec.parameters.resize_rate, "diversity_prob": spec.parameters.probability}
    return {**_momentum(spec), **options}


def _tifgsm(spec: AttackSpec, *_: Any) -> dict[str, Any]:
    return {**_difgsm(spec), "len_kernel": spec.parameters.kernel, "nsig": spec.parameters.sigma}


def _sinifgsm(spec: AttackSpec, *_: Any) -> dict[str, Any]:
    return {**_momentum(spec), "m": spec.parameters.scales}


def _vmifgsm(spec: AttackSpec, *_: Any) -> dict[str, Any]:
    return {**_momentum(spec), "N": spec.parameters.neighbors, "beta": spec.parameters.beta}


_PGD_ONLY = {"loss": "cross-entropy", "fast": False}
_UNTARGETED = {"target": "none"}
_NAN_MOMENTUM = "After one gradient that is exactly zero an image's momentum is NaN, and it never moves again."
_GRAY = "It takes three channels only: gray images are handed over with two empty ones, which the model never sees."
_ONE_RUN = {"restarts": 1}
_SQUARE_IMAGES = "Images must be square: the resized copy always is."
_FIRST_STEP = "torchattacks takes the first image's step size for the whole batch in APGDT."
_FIRST_STEP_WHERE = ("`apgdt.py`, `attack_single_run` (`step_size[0]`)",)
_FEW_CLASSES = "Models of fewer than four classes raise an IndexError."
_SEEDS = (
    Violation(
        "generators not reseeded",
        "Seeds torch's global generator with an argument of its own, 0 by default.",
        "reseeds torch",
    ),
)
_ONE_CONSTANT = "One constant without a search: what the factor or the model asks for is missed."
_BOUNDARY = "Its examples end on the boundary itself, where a rounding error decides."
_ZERO = "0 / 0 where an image's gradient is zero."
_TILES = "Heights of 1 to 4, 12, 14, 18, 19 and 24 pixels cannot be tiled by its first squares and are refused."


def _autoattack(difference: str = "", *causes: Cause, where: tuple[str, ...] = ()) -> Realization:
    """The parts of AutoAttack as MultiAttack runs them; its own class is what the defaults are."""
    return Realization(
        "MultiAttack([APGD, APGDT, FAB, Square])",
        _run_autoattack,
        difference,
        caveat=_FEW_CLASSES,
        causes=causes,
        weakens=causes,
        defaults=_run("AutoAttack", _class_ball),
        where=(*where, "`apgdt.py`, `dlr_loss_targeted`"),
        violations=_SEEDS,
    )


TABLE: Mapping[tuple[str, str], Realization] = {
    ("fgsm", "linf"): _offer("FGSM", _radius, _radius),
    ("bim", "linf"): _offer("BIM", _steps, _radius),
    ("pgd", "linf"): _offer("PGD", _pgd, _radius, unsupported=_PGD_ONLY),
    ("pgd", "l2"): _offer(
        "PGDL2",
        _pgd,
        _radius,
        "torchattacks adds 1e-10 to the norm of the batch-averaged gradient, so steps shrink where the classifier is "
        "confident, and its random start has a uniform radius.",
        "step rule",
        "random start",
        weakens=("step rule",),
        unsupported=_PGD_ONLY,
        where=("`pgdl2.py`, `forward`",),
        violations=(
            Violation(
                "confident oracle",
                "Adds 1e-10 to the norm that it divides by.",
                "11 of 12 left at 0.186, where all can be broken",
            ),
            Violation(
                "start law",
                "Its random start is as often in the inner half of the radius as in the outer one.",
                "mean share of the volume nearer 0.19, of a uniform draw 0.50",
            ),
        ),
    ),
    ("mifgsm", "linf"): _offer(
        "MIFGSM",
        _momentum,
        _radius,
        caveat=_NAN_MOMENTUM,
        where=("`mifgsm.py` (0 / 0)",),
    ),
    ("cw", "l2"): _offer(
        "CW",
        _cw,
        _nothing,
        "torchattacks never moves pixels that are exactly 0 or 1, reads negative logits as 0, and stops the whole "
        "batch on its summed loss.",
        "clipping",
        "loss",
        "early stop",
        weakens=("clipping", "loss", "early stop"),
        # It keeps the closest misclassified iterate whatever its margin, so kappa is no confidence of the result.
        unsupported={"confidence": 0.0, "binary_search_steps": 1},
        where=("`cw.py`, `inverse_tanh_space`, `f`, `forward`",),
        violations=(
            Violation("logit shift", "Reads a negative logit as 0.", "8 outcomes change: 8 fell, now 8, 0"),
            Violation("logit scale", _ONE_CONSTANT, "7 of 8 no longer fall, 1 fall now"),
            Violation("linear oracle", _ONE_CONSTANT, "median 1.564 of the exact distance, 12 of 12 misclassified"),
            Violation("disc oracle", _ONE_CONSTANT, "median 1.232 of the exact distance, 12 of 12 misclassified"),
        ),
    ),
    ("deepfool", "l2"): _offer(
        "DeepFool",
        _deepfool,
        _nothing,
        "torchattacks overshoots each step from the clipped step before, and without the authors' extra 1e-4, so "
        "examples end on the boundary itself.",
        "overshoot",
        "clipping",
        weakens=("overshoot", "clipping"),
        caveat="An image whose gradients are zero comes back as NaN.",
        where=(
            "`deepfool.py`, `_forward_indiv`",
            "`deepfool.py` (0 / 0)",
        ),
        violations=(
            Violation("logit shift", _BOUNDARY, "7 outcomes change: 7 fell, now 8, 8", rounding=True),
            Violation("class order", _BOUNDARY, "3 outcomes change: 6 fell, now 5", rounding=True),
            Violation("input units", _BOUNDARY, "3 outcomes change: 7 fell, now 8", rounding=True),
            Violation(
                "corner oracle",
                _BOUNDARY,
                "median inf of the exact distance, 4 of 12 misclassified",
                rounding=True,
            ),
            Violation("constant model", _ZERO, "24 of 24 not finite, 0 outside the threat model"),
            Violation("zero gradient", _ZERO, "24 of 24 not finite, 0 outside the threat model"),
        ),
    ),
    ("apgd", "linf"): _offer("APGD", _apgd, _ball, unsupported=_UNTARGETED, violations=_SEEDS),
    ("apgd", "l2"): _offer(
        "APGD",
        _apgd,
        _ball,
        unsupported=_UNTARGETED,
        violations=(
            *_SEEDS,
            Violation(
                "confident oracle",
                "Adds 1e-12 to the norm that it divides by.",
                "8 of 12 left at 0.186, where all can be broken",
            ),
        ),
    ),
    ("apgdt", "linf"): _offer(
        "APGDT", _apgdt, _class_ball, caveat=_FEW_CLASSES, where=("`apgdt.py`, `dlr_loss_targeted`",), violations=_SEEDS
    ),
    ("apgdt", "l2"): _offer(
        "APGDT",
        _apgdt,
        _class_ball,
        _FIRST_STEP,
        "batch",
        "step rule",
        weakens=("batch", "step rule"),
        caveat=_FEW_CLASSES,
        where=(*_FIRST_STEP_WHERE, "`apgdt.py`, `dlr_loss_targeted`"),
        violations=_SEEDS,
    ),
    ("autoattack", "linf"): _autoattack(),
    ("autoattack", "l2"): _autoattack(_FIRST_STEP, "batch", "step rule", where=_FIRST_STEP_WHERE),
    ("square", "linf"): _offer("Square", _square, _ball, violations=_SEEDS),
    ("square", "l2"): _offer(
        "Square",
        _tiled(_square),
        _tiled(_ball),
        caveat=_TILES,
        where=("`square.py`, `attack_single_run` (`h // s` tiles from `sp_init`)",),
        violations=_SEEDS,
    ),
    ("fab", "linf"): _offer("FAB", _fab, _ball, unsupported=_ONE_RUN, violations=_SEEDS, single=True),
    ("fab", "l2"): _offer("FAB", _fab, _ball, unsupported=_ONE_RUN, violations=_SEEDS, single=True),
    ("ead", "l1"): Realization(
        "EADEN(EADL1 for rule='L1')",
        _run_ead(_ead),
        "torchattacks moves the image that it measures from by its first gradient step, out of [0,1] where that leads "
        "and at no distance, starts each constant where the last one ended, and reads a negative logit of the label "
        "as 0.",
        {"confidence": 0.0},
        causes=("clipping", "search", "loss"),
        weakens=("clipping", "search", "loss"),
        defaults=_run_ead(_nothing),
        where=("`eaden.py` and `eadl1.py`, `forward` (`nn.Parameter(images)`), `EAD_loss`",),
        violations=(
            Violation(
                "norm and box",
                "Its first gradient step moves the image that it measures from, out of the box.",
                "24 of 24 outside",
            ),
        ),
    ),
    ("jsma", "l0"): _offer(
        "JSMA",
        _jsma,
        _nothing,
        "torchattacks adds theta to the first value where no pair of values helps, instead of stopping.",
        "step rule",
        strengthens=("step rule",),
        where=("`jsma.py`, `saliency_map` (`argmax` of zeros)",),
    ),
    ("pixel", "l0"): _offer(
        "OnePixel",
        _pixel,
        _pixels,
        "torchattacks rounds the population to a multiple of the candidate's length, at least one, and mutates the "
        "best candidate instead of a random one.",
        "budget",
        "step rule",
        where=("`onepixel.py`, `forward`",),
        violations=(),
    ),
    ("eotpgd", "linf"): _offer("EOTPGD", _eotpgd, _radius, unsupported={"reading": "mean"}),
    ("difgsm", "linf"): _offer(
        "DIFGSM",
        _difgsm,
        _radius,
        caveat=f"{_SQUARE_IMAGES} {_NAN_MOMENTUM}",
        where=("`difgsm.py`, `input_diversity`, `forward` (0 / 0)",),
    ),
    ("tifgsm", "linf"): Realization(
        "TIFGSM",
        _run_tifgsm(_tifgsm),
        caveat=f"{_GRAY} {_SQUARE_IMAGES} {_NAN_MOMENTUM}",
        defaults=_run_tifgsm(_radius),
        violations=(),
        where=("`tifgsm.py`, `forward` (`groups=3`; 0 / 0), `input_diversity`",),
    ),
    ("nifgsm", "linf"): _offer(
        "NIFGSM", _momentum, _radius, caveat=_NAN_MOMENTUM, where=("`nifgsm.py`, `forward` (0 / 0)",)
    ),
    ("sinifgsm", "linf"): _offer(
        "SINIFGSM", _sinifgsm, _radius, caveat=_NAN_MOMENTUM, where=("`sinifgsm.py`, `forward` (0 / 0)",)
    ),
    ("vmifgsm", "linf"): _offer(
        "VMIFGSM", _vmifgsm, _radius, caveat=_NAN_MOMENTUM, where=("`vmifgsm.py`, `forward` (0 / 0)",)
    ),
    ("vnifgsm", "linf"): _offer(
        "VNIFGSM",
        _vmifgsm,
        _radius,
        "torchattacks takes the variance between gradients around the image and one at the look-ahead point, so that "
        "it does not vanish with the neighborhood.",
        "step rule",
        caveat=_NAN_MOMENTUM,
        where=("`vnifgsm.py`, `forward`",),
    ),
}
