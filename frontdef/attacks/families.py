"""The attack families: each is named once, with one set of parameters for every library."""

from __future__ import annotations

import math
from typing import Literal, Self

from pydantic import model_validator

from frontdef import config as configs
from frontdef.attacks.native.stages import PASSES, search_passes
from frontdef.attacks.spec import Family, Loss, Parameters, Target


class TargetableParameters(Parameters):
    """Of the families that can be asked for a class."""

    target: Target = configs.field(
        "none",
        description="the class that counts as success: none (any wrong one), next (the label + 1), least-likely (by "
        "the clean image's logits)",
    )


class StepParameters(TargetableParameters):
    """Of the iterated gradient attacks."""

    steps: int = configs.field(20, ge=1, description="gradient steps")
    relative_step: float = configs.field(0.1, gt=0, le=2, description="step size divided by ε")


class AscentParameters(StepParameters):
    """Of projected gradient descent on a loss of one's choice."""

    random_start: bool = configs.field(False, description="start at a random point of the ball instead of the image")
    loss: Loss = configs.field(
        "cross-entropy",
        description="what is maximized: cross-entropy, margin (Carlini-Wagner), DLR (Croce & Hein 2020)",
    )

    @model_validator(mode="after")
    def _a_targeted_dlr_needs_the_label_too(self) -> Self:
        if self.loss == "dlr" and self.target != "none":
            raise ValueError("the DLR loss has no target: take loss='margin', or the family 'apgdt'")
        return self


class PGDParameters(AscentParameters):
    """Of projected gradient descent."""

    restarts: int = configs.field(
        1, ge=1, description="runs, each from a new random start; one that succeeds counts, per sample"
    )
    fast: bool = configs.field(
        False,
        description="drop a sample once it is misclassified (native only); False runs every step on every sample",
    )

    @model_validator(mode="after")
    def _restarts_need_a_random_start(self) -> Self:
        if self.restarts > 1 and not self.random_start:
            raise ValueError(
                f"restarts={self.restarts} repeat one and the same run: set random_start=true or restarts=1"
            )
        return self


class MomentumParameters(StepParameters):
    """Of the momentum iterative method."""

    decay: float = configs.field(1.0, ge=0, description="factor on the accumulated gradient, a step")


class CWParameters(TargetableParameters):
    """Of Carlini and Wagner's ℓ2 attack."""

    steps: int = configs.field(100, ge=1, description="optimizer steps for each constant")
    lr: float = configs.field(0.01, gt=0, description="learning rate of the optimizer, in tanh space")
    confidence: float = configs.field(0.0, ge=0, description="margin κ by which the wrong logit must win, in logits")
    initial_const: float = configs.field(
        1.0, gt=0, description="weight of the loss against the squared distance, to begin with"
    )
    binary_search_steps: int = configs.field(1, ge=1, description="constants that are tried for each sample")


class DeepFoolParameters(Parameters):
    """Of DeepFool."""

    steps: int = configs.field(50, ge=1, description="linearizations at most")
    overshoot: float = configs.field(0.02, ge=0, description="share by which a step goes beyond the boundary")

    @property
    def passes(self) -> int:
        """A gradient of each of ten classes and an answer a step; most samples fall after a few."""
        return 11 * self.steps


class NoiseParameters(Parameters):
    """Of the random-noise baseline."""

    draws: int = configs.field(10, ge=1, description="draws a sample; the first that is misclassified counts")


class APGDParameters(TargetableParameters):
    """Of auto-PGD, which chooses its own step sizes."""

    steps: int = configs.field(100, ge=1, description="gradient steps a restart")
    restarts: int = configs.field(1, ge=1, description="runs, each from a new random start")
    loss: Literal["cross-entropy", "dlr"] = configs.field("cross-entropy", description="what is maximized")
    rho: float = configs.field(0.75, gt=0, lt=1, description="share of steps that must raise the loss, else it halves")


class APGDTParameters(Parameters):
    """Of auto-PGD on the targeted DLR loss, one run for each of the likeliest wrong classes."""

    steps: int = configs.field(100, ge=1, description="gradient steps a class and restart")
    restarts: int = configs.field(1, ge=1, description="runs for each class, each from a new random start")
    classes: int = configs.field(9, ge=1, description="wrong classes that are tried, likeliest first")
    rho: float = configs.field(0.75, gt=0, lt=1, description="share of steps that must raise the loss, else it halves")


class AutoAttackParameters(Parameters):
    """Of AutoAttack; its own budgets by default."""

    version: Literal["standard", "rand"] = configs.field(
        "standard", description="standard: APGD-CE, APGD-T, FAB-T, Square; rand: APGD-CE and -DLR with EOT"
    )
    steps: int = configs.field(100, ge=1, description="gradient steps of APGD and FAB, a restart and class")
    queries: int = configs.field(5000, ge=1, description="queries of Square a sample, at most; standard only")

    @property
    def passes(self) -> int:
        """Forward and backward passes of a sample of ten classes that stands."""
        if self.version == "rand":
            return 2 * 2 * 20 * (self.steps + 1)
        return 2 * (self.steps + 1) + 9 * (2 * (self.steps + 1) + 3 * self.steps) + self.queries


class CascadeParameters(Parameters):
    """Of the cascade, whose stages are a table (`frontdef.attacks.native.stages`)."""

    rounds: int = configs.field(1, ge=1, description="times that all stages are run on what is left")

    @property
    def passes(self) -> int:
        """Forward and backward passes of a sample that stands."""
        return self.rounds * PASSES


class AdaptiveParameters(Parameters):
    """Of the adaptive search, which chooses what an attacker can choose and runs the cascade with it."""

    steps: int = configs.field(5, ge=1, description="gradient steps of a combination in the first round, then doubled")
    probed: int = configs.field(32, ge=1, description="samples on which combinations are compared in a round, at most")

    @property
    def passes(self) -> int:
        """Forward and backward passes of a sample that stands and is probed in every round, about."""
        return search_passes(self.steps)


class SquareParameters(Parameters):
    """Of the Square attack."""

    queries: int = configs.field(1000, ge=1, description="queries a sample at most")
    p_init: float = configs.field(0.8, gt=0, le=1, description="share of the pixels in the first squares")
    rescale_schedule: bool = configs.field(
        True, description="shrink the squares by the share of the budget that is spent, instead of by its 10 000ths"
    )
    restarts: int = configs.field(1, ge=1, description="runs, each from a new start")


class FABParameters(Parameters):
    """Of the fast adaptive boundary attack, as AutoAttack has it: without the paper's final search."""

    steps: int = configs.field(100, ge=1, description="iterations a restart")
    restarts: int = configs.field(1, ge=1, description="runs; the first starts at the image")
    alpha_max: float = configs.field(0.1, gt=0, le=1, description="largest pull towards the image")
    eta: float = configs.field(1.05, ge=1, description="overshoot")
    beta: float = configs.field(0.9, gt=0, le=1, description="backward step once a sample is misclassified")

    @property
    def passes(self) -> int:
        """A gradient of every class and two answers an iteration, of ten classes."""
        return 12 * self.steps * self.restarts


class FMNParameters(TargetableParameters):
    """Of the fast minimum-norm attack."""

    steps: int = configs.field(100, ge=1, description="iterations")
    max_step: float = configs.field(1.0, gt=0, description="first step size, which falls as a cosine")
    gamma: float = configs.field(0.05, gt=0, lt=1, description="first relative change of ε, which falls as a cosine")


class DDNParameters(TargetableParameters):
    """Of the attack by decoupled direction and norm."""

    steps: int = configs.field(100, ge=1, description="iterations")
    init_eps: float = configs.field(1.0, gt=0, description="first radius, [0,1] pixel values")
    gamma: float = configs.field(0.05, gt=0, lt=1, description="relative change of the radius, an iteration")


class EADParameters(TargetableParameters):
    """Of the elastic-net attack."""

    steps: int = configs.field(100, ge=1, description="optimizer steps for each constant")
    lr: float = configs.field(0.01, gt=0, description="learning rate")
    beta: float = configs.field(0.001, ge=0, description="weight of the ℓ1 distance")
    confidence: float = configs.field(0.0, ge=0, description="margin by which the wrong logit must win, in logits")
    initial_const: float = configs.field(0.001, gt=0, description="weight of the loss to begin with")
    binary_search_steps: int = configs.field(9, ge=1, description="constants that are tried for each sample")
    rule: Literal["EN", "L1"] = configs.field("EN", description="distance by which the best example is chosen")

    @property
    def passes(self) -> int:
        """A gradient and a look a step."""
        return 3 * self.steps * self.binary_search_steps


class JSMAParameters(Parameters):
    """Of the Jacobian-based saliency map attack, which is targeted by nature."""

    theta: float = configs.field(1.0, gt=0, le=1, description="change of a value in one step, [0,1] pixel values")
    gamma: float = configs.field(0.1, gt=0, le=1, description="share of the values that may change")
    target: Literal["next", "least-likely"] = configs.field("next", description="the class to reach")


class HopSkipJumpParameters(Parameters):
    """Of HopSkipJump."""

    steps: int = configs.field(20, ge=1, description="iterations")
    init_eval: int = configs.field(100, ge=1, description="queries of the first gradient estimate")
    max_eval: int = configs.field(1000, ge=1, description="queries of a gradient estimate at most")

    @property
    def passes(self) -> int:
        """Estimates that grow with the root of the iteration, and about a dozen queries to find the boundary again."""
        estimates = (min(self.max_eval, self.init_eval * math.sqrt(step)) for step in range(1, self.steps + 1))
        return round(sum(estimates)) + 12 * self.steps


class BoundaryParameters(Parameters):
    """Of the boundary attack."""

    steps: int = configs.field(1000, ge=1, description="iterations")
    spherical_step: float = configs.field(0.01, gt=0, description="first step on the sphere, relative to the distance")
    source_step: float = configs.field(0.01, gt=0, description="first step towards the image, relative to the distance")


class ZOOParameters(TargetableParameters):
    """Of zeroth-order optimization."""

    steps: int = configs.field(50, ge=1, description="optimizer steps")
    lr: float = configs.field(0.01, gt=0, description="learning rate")
    confidence: float = configs.field(0.0, ge=0, description="margin by which the wrong logit must win, in logits")
    initial_const: float = configs.field(1.0, gt=0, description="weight of the loss to begin with")
    binary_search_steps: int = configs.field(1, ge=1, description="constants that are tried for each sample")
    parallel: int = configs.field(128, ge=1, description="coordinates an optimizer step estimates")


class SimBAParameters(TargetableParameters):
    """Of the simple black-box attack."""

    steps: int = configs.field(500, ge=1, description="directions tried")
    step: float = configs.field(0.2, gt=0, le=1, description="length of a step along a direction, [0,1] pixel values")
    basis: Literal["dct", "px"] = configs.field("px", description="directions: cosines or single pixels")


class SpatialParameters(Parameters):
    """Of rotations and translations."""

    max_rotation: float = configs.field(30.0, ge=0, le=180, description="degrees")
    max_translation: float = configs.field(0.1, ge=0, le=1, description="share of the side")
    rotations: int = configs.field(7, ge=1, description="angles on the grid")
    translations: int = configs.field(5, ge=1, description="shifts on the grid, along each axis")

    @property
    def passes(self) -> int:
        """Every point of the grid."""
        return self.rotations * self.translations**2


class NewtonFoolParameters(Parameters):
    """Of NewtonFool."""

    steps: int = configs.field(50, ge=1, description="iterations")
    eta: float = configs.field(0.01, gt=0, description="step relative to the norm of the image")


class PixelParameters(TargetableParameters):
    """Of the few-pixel attack by differential evolution; ε is the number of values."""

    steps: int = configs.field(10, ge=1, description="generations")
    population: int = configs.field(400, ge=5, description="candidates a generation; the paper has 400")

    @property
    def passes(self) -> int:
        """Every generation, and the first candidates."""
        return (self.steps + 1) * self.population


class InputDiversityParameters(MomentumParameters):
    """Of the transferable attacks that resize and pad at random."""

    resize_rate: float = configs.field(0.9, gt=0, lt=1, description="smallest side relative to the image")
    probability: float = configs.field(0.5, ge=0, le=1, description="share of steps on which the image is resized")


class TranslationParameters(InputDiversityParameters):
    """Of the translation-invariant attack."""

    kernel: int = configs.field(15, ge=1, description="side of the Gaussian kernel, pixels, odd")
    sigma: float = configs.field(3.0, gt=0, description="extent of the kernel in standard deviations")


class ScaleParameters(MomentumParameters):
    """Of the scale-invariant attack."""

    scales: int = configs.field(5, ge=1, description="copies of the image at 1, ½, ¼, …")


class VarianceParameters(MomentumParameters):
    """Of the attacks that tune the gradient's variance."""

    neighbors: int = configs.field(5, ge=1, description="points around the image, a step")
    beta: float = configs.field(1.5, gt=0, description="radius of the neighborhood divided by ε")


class EOTPGDParameters(StepParameters):
    """Of projected gradient descent on an expectation over a randomized defense."""

    draws: int = configs.field(10, ge=1, description="draws of the defense, a step")
    reading: Literal["mean", "normalized"] = configs.field(
        "mean",
        description="mean: step along the mean gradient; normalized: along the mean of the gradients divided by their "
        "ℓ2 norm, draws whose gradient is zero left out",
    )
    random_start: bool = configs.field(False, description="start at a random point of the ball instead of the image")


class SmoothPGDParameters(StepParameters):
    """Of projected gradient descent on gradients averaged over a neighborhood."""

    neighbors: int = configs.field(10, ge=1, description="points around the iterate, a step")
    relative_radius: float = configs.field(
        0.1, gt=0, le=2, description="radius of the neighborhood divided by ε; the paper's is the step size"
    )
    random_start: bool = configs.field(False, description="start at a random point of the ball instead of the image")


class TransferParameters(AscentParameters):
    """Of the attack on the classifier without its front end, the examples given to both (semi-white box)."""


class LocallyLinearParameters(Parameters):
    """Of the locally linear attack."""

    steps: int = configs.field(1, ge=1, description="steps; the paper's iterative versions have 10 and 80")
    relative_step: float | None = configs.field(
        None,
        gt=0,
        le=2,
        description="step size divided by ε; none is 1 for one step and 0.1 for more; the paper has 0.1 with 10 steps, "
        "0.05 with 80",
    )
    knowledge: Literal["white", "semi-white"] = configs.field(
        "white",
        description="white: through the front end's surrogate gradient; semi-white: the classifier alone is attacked",
    )
    x1: Literal["current", "clean"] = configs.field(
        "current", description="where the locally linear model is taken: the iterate or the clean image"
    )
    x2: Literal["current", "clean"] = configs.field(
        "current",
        description="where the front end's support is taken: the iterate or the clean image; white box only",
    )
    source_class: Literal["label", "prediction"] = configs.field(
        "label",
        description="the class to leave: the label (the paper), or what the model predicts for the clean image (the "
        "authors' code)",
    )
    worst_pair: Literal["run", "step"] = configs.field(
        "run",
        description="run: all steps for each wrong class, then the best example (the paper's text); step: the wrong "
        "class is chosen anew after each step",
    )

    @property
    def passes(self) -> int:
        """An answer and a gradient for each of nine pairs of classes a step, and a look at what came of it."""
        return 28 * self.steps

    @model_validator(mode="after")
    def _a_semi_white_attacker_knows_no_support(self) -> Self:
        if self.knowledge == "semi-white" and self.x2 != "current":
            raise ValueError(
                f"x2={self.x2!r} is where the front end's support is taken, and a semi-white attacker does not know "
                "the front end: leave x2 out, or set knowledge='white'"
            )
        return self


FAMILIES: tuple[Family, ...] = (
    Family(
        "fgsm",
        "Fast gradient (sign) method",
        "arXiv:1412.6572",
        ("linf", "l2", "l1"),
        TargetableParameters,
        "exact",
        follows="one step",
    ),
    Family("bim", "Basic iterative method", "arXiv:1607.02533", ("linf", "l2", "l1"), StepParameters, "exact"),
    Family("pgd", "Projected gradient descent", "arXiv:1706.06083", ("linf", "l2", "l1"), PGDParameters, "exact"),
    Family("mifgsm", "Momentum iterative FGSM", "arXiv:1710.06081", ("linf",), MomentumParameters, "exact"),
    Family("cw", "Carlini-Wagner", "arXiv:1608.04644", ("l2",), CWParameters, "distribution-level", minimum_norm=True),
    Family(
        "deepfool",
        "DeepFool",
        "arXiv:1511.04599",
        ("l2", "linf"),
        DeepFoolParameters,
        "distribution-level",
        minimum_norm=True,
    ),
    Family(
        "noise",
        "Uniform random noise",
        "",
        ("linf", "l2"),
        NoiseParameters,
        "distribution-level",
        follows="no gradient",
        deterministic=False,
    ),
    Family(
        "apgd", "Auto-PGD", "arXiv:2003.01690", ("linf", "l2", "l1"), APGDParameters, "loss-level", deterministic=False
    ),
    Family(
        "apgdt",
        "Auto-PGD, targeted DLR",
        "arXiv:2003.01690",
        ("linf", "l2", "l1"),
        APGDTParameters,
        "loss-level",
        deterministic=False,
    ),
    Family(
        "autoattack",
        "AutoAttack",
        "arXiv:2003.01690",
        ("linf", "l2", "l1"),
        AutoAttackParameters,
        "distribution-level",
        deterministic=False,
    ),
    Family(
        "cascade",
        "Cascade on survivors",
        "arXiv:2407.02240",
        ("linf", "l2", "l1"),
        CascadeParameters,
        "no peer",
        deterministic=False,
    ),
    Family(
        "adaptive",
        "Adaptive search",
        "arXiv:2002.08347",
        ("linf", "l2", "l1"),
        AdaptiveParameters,
        "no peer",
        deterministic=False,
        averages=True,
    ),
    Family(
        "square",
        "Square attack",
        "arXiv:1912.00049",
        ("linf", "l2"),
        SquareParameters,
        "distribution-level",
        follows="no gradient",
        deterministic=False,
    ),
    Family(
        "fab",
        "Fast adaptive boundary",
        "arXiv:1907.02044",
        ("linf", "l2", "l1"),
        FABParameters,
        "distribution-level",
        minimum_norm=True,
    ),
    Family(
        "fmn",
        "Fast minimum-norm",
        "arXiv:2102.12827",
        ("l0", "l1", "l2", "linf"),
        FMNParameters,
        "distribution-level",
        minimum_norm=True,
    ),
    Family(
        "ddn",
        "Decoupled direction and norm",
        "arXiv:1811.09600",
        ("l2",),
        DDNParameters,
        "loss-level",
        minimum_norm=True,
    ),
    Family(
        "ead", "Elastic-net attack", "arXiv:1709.04114", ("l1",), EADParameters, "distribution-level", minimum_norm=True
    ),
    Family(
        "jsma",
        "Jacobian-based saliency map",
        "arXiv:1511.07528",
        ("l0",),
        JSMAParameters,
        "distribution-level",
        minimum_norm=True,
    ),
    Family(
        "hopskipjump",
        "HopSkipJump",
        "arXiv:1904.02144",
        ("l2", "linf"),
        HopSkipJumpParameters,
        "distribution-level",
        minimum_norm=True,
        follows="no gradient",
        deterministic=False,
    ),
    Family(
        "boundary",
        "Boundary attack",
        "arXiv:1712.04248",
        ("l2",),
        BoundaryParameters,
        "distribution-level",
        minimum_norm=True,
        follows="no gradient",
        deterministic=False,
    ),
    Family(
        "zoo",
        "Zeroth-order optimization",
        "arXiv:1708.03999",
        ("l2",),
        ZOOParameters,
        "no peer",
        minimum_norm=True,
        follows="no gradient",
        deterministic=False,
    ),
    Family(
        "simba",
        "Simple black-box attack",
        "arXiv:1905.07121",
        ("l2",),
        SimBAParameters,
        "no peer",
        minimum_norm=True,
        follows="no gradient",
        deterministic=False,
    ),
    Family(
        "spatial",
        "Rotations and translations",
        "arXiv:1712.02779",
        ("spatial",),
        SpatialParameters,
        "distribution-level",
        follows="no gradient",
    ),
    Family(
        "newtonfool",
        "NewtonFool",
        "doi:10.1145/3134600.3134635",
        ("l2",),
        NewtonFoolParameters,
        "distribution-level",
        minimum_norm=True,
    ),
    Family(
        "pixel",
        "Few-pixel attack",
        "arXiv:1710.08864",
        ("l0",),
        PixelParameters,
        "distribution-level",
        follows="no gradient",
        deterministic=False,
    ),
    Family(
        "difgsm",
        "Diverse inputs FGSM",
        "arXiv:1803.06978",
        ("linf",),
        InputDiversityParameters,
        "no peer",
        deterministic=False,
    ),
    Family(
        "tifgsm",
        "Translation-invariant FGSM",
        "arXiv:1904.02884",
        ("linf",),
        TranslationParameters,
        "no peer",
        deterministic=False,
    ),
    Family("nifgsm", "Nesterov iterative FGSM", "arXiv:1908.06281", ("linf",), MomentumParameters, "no peer"),
    Family("sinifgsm", "Scale-invariant Nesterov FGSM", "arXiv:1908.06281", ("linf",), ScaleParameters, "no peer"),
    Family(
        "vmifgsm",
        "Variance-tuned momentum FGSM",
        "arXiv:2103.15571",
        ("linf",),
        VarianceParameters,
        "no peer",
        deterministic=False,
    ),
    Family(
        "vnifgsm",
        "Variance-tuned Nesterov FGSM",
        "arXiv:2103.15571",
        ("linf",),
        VarianceParameters,
        "no peer",
        deterministic=False,
    ),
    Family(
        "eotpgd",
        "PGD over transformations",
        "arXiv:1707.07397",
        ("linf", "l2", "l1"),
        EOTPGDParameters,
        "exact",
        averages=True,
    ),
    Family(
        "smoothpgd",
        "PGD on smoothed gradients",
        "arXiv:1802.00420",
        ("linf", "l2", "l1"),
        SmoothPGDParameters,
        "no peer",
        deterministic=False,
    ),
    Family(
        "transfer",
        "PGD without the front end",
        "arXiv:1802.00420",
        ("linf", "l2", "l1"),
        TransferParameters,
        "no peer",
        follows="another model",
    ),
    Family(
        "locally-linear",
        "Locally linear attack",
        "Gopalakrishnan, Marzi, Madhow, Pedarsani 2018, §3.5-3.6",
        ("linf",),
        LocallyLinearParameters,
        "no peer",
    ),
)
