"""What a matrix stores: every column with its type, its meaning and its unit, in one place."""

from __future__ import annotations

from collections.abc import Mapping

from frontdef.matrix.told import ToldDiagnosis
from frontdef.runs.table import Column, Table

MODEL = {
    "dataset": Column("varchar", "data set"),
    "classifier": Column("varchar", "classifier of the matrix in whose table the row stands"),
    "defense": Column("varchar", "title of the defense's row"),
}

RECORDS = Table(
    "records",
    {
        "cell": Column("varchar", "key of the cell"),
        "sample_id": Column("bigint", "id of the test image in its data set"),
        "label": Column("bigint", "class index"),
        "clean_prediction": Column("bigint", "class predicted for the image"),
        "clean_correct": Column("boolean", "clean_prediction == label"),
        "target": Column("bigint", "class that the attack was asked for; -1 for any wrong one"),
        "adversarial_prediction": Column(
            "bigint",
            "class predicted for the example, clamped to [0,1]; -1 where it is not finite; of randomized front ends "
            "the class of the mean probability over fresh draws",
        ),
        "adversarial_majority": Column(
            "bigint", "the same, the class that most of the fresh draws predict; the lower one of a tie"
        ),
        "linf": Column("double", "ℓ∞ distance, [0,1] pixel values"),
        "l2": Column("double", "ℓ2 distance, [0,1] pixel values"),
        "l1": Column("double", "ℓ1 distance, [0,1] pixel values"),
        "l0": Column("double", "number of values that differ by more than 1e-6"),
        "in_box": Column("boolean", "every value in [0,1], to 1e-6"),
        "finite": Column("boolean", "no NaN and no infinite value"),
        "valid": Column(
            "boolean",
            "finite, in the box, and within ε of the image, to 1e-6 (minimum-norm attacks: finite and in the box)",
        ),
        "success": Column("boolean", "valid and misclassified; of targeted attacks: valid and predicted as the target"),
        "success_majority": Column("boolean", "the same, by adversarial_majority"),
        "loss_clean": Column("double", "cross-entropy of the image, nats"),
        "loss_adv": Column("double", "cross-entropy of the example, nats"),
        "margin": Column("double", "logit of the label minus the largest other logit, of the example"),
    },
    joined=("cell",),
    described=("dataset", "classifier", "defense", "family", "norm", "judged_eps", "parameters", "library"),
    tensors=True,
)
"""One row a sample and cell."""

CERTIFIED = Table(
    "certified",
    {
        **MODEL,
        "norm": Column("varchar", "norm of the threat model"),
        "eps": Column("double", "its radius, [0,1] pixel values"),
        "sample_id": Column("bigint", "id of the test image in its data set"),
        "certified": Column("boolean", "proved: no perturbation in the threat model changes the prediction"),
    },
    joined=("dataset", "classifier", "defense", "norm", "eps"),
)
"""One row a sample, model and threat model."""

DIAGNOSES = Table(
    "diagnoses",
    {
        **MODEL,
        "norm": Column("varchar", "norm of the threat model"),
        "eps": Column("double", "its radius, [0,1] pixel values"),
        "name": Column("varchar", "the check"),
        "status": Column(
            "varchar", "what came of it: passed, alarm (it objects), reported (a figure, not judged), not applicable"
        ),
        "strength": Column("varchar", "what its alarm is worth: invalid, proof or hint"),
        "figure": Column("double", "what was measured; empty where the check does not apply"),
        "threshold": Column("double", "what it is compared with; empty for figures that are reported only"),
        "measured": Column("varchar", "the same in words"),
        "meaning": Column("varchar", "what its alarm says about the model"),
        "reference": Column("varchar", "where the check was published"),
        "p": Column("double", "p-value of the test behind it; empty where there is none"),
        "level": Column("double", "level of the look at which it was decided, with which p is compared"),
        "n": Column("bigint", "samples that it was measured on; empty where it is no test"),
        "undecided": Column("boolean", "whether more samples might have made it an alarm"),
        "forwards": Column("double", "forward passes, mean a sample; a shared attack counts in each check"),
        "backwards": Column("double", "backward passes, mean a sample"),
    },
    joined=("dataset", "classifier", "defense", "norm", "eps"),
    tensors=True,
    told=ToldDiagnosis,
)
"""One row a check and model."""

METRICS = Table(
    "metrics",
    {
        **MODEL,
        "metric": Column("varchar", "id of the metric"),
        "parameters": Column("varchar", "its parameters, JSON"),
        "unit": Column("varchar", "unit of the value; empty for a pure number"),
        "quantity": Column("varchar", "what was measured; a metric may measure several"),
        "sample_id": Column("bigint", "id of the test image in its data set"),
        "value": Column("double", "the value of this sample; NaN where the quantity does not apply to it"),
    },
    joined=("dataset", "classifier", "defense", "metric", "parameters", "unit"),
)
"""One row a sample, model, metric and quantity."""

FIGURES = Table(
    "figures",
    {
        **MODEL,
        "title": Column("varchar", "what the pictures show"),
        "pictures": Column("bigint", "how many"),
    },
    joined=("dataset", "classifier", "defense"),
    tensors=True,
)
"""One row a set of pictures by which a front end shows what it does; the pictures are kept beside it."""

KINDS: Mapping[str, Table] = {
    "frontdef.matrix.picture:jobs": FIGURES,
    "frontdef.matrix.certify:jobs": CERTIFIED,
    "frontdef.matrix.diagnose:jobs": DIAGNOSES,
    "frontdef.matrix.measure:jobs": METRICS,
    "frontdef.matrix.cells:jobs": RECORDS,
}
"""Every kind of job, in the order in which those of a row are run: ``(asked, row) -> jobs``, a reference because who
reads a run imports none of them, and the table that they fill. A new kind is a file, and a table and a row here."""

TABLES = tuple(KINDS.values())
"""What the jobs of a matrix fill."""

CELLS: dict[str, Column] = {
    "cell": Column("varchar", "key of the cell"),
    "status": Column("varchar", "ok, failed, or missing (not run yet)"),
    **MODEL,
    "network": Column(
        "varchar", "classifier behind the front end, where the defense has its own: another one than the table's"
    ),
    "training": Column(
        "varchar",
        "what was done to the model: trained here; as it is (its owner's, nothing was trained); fine-tuned (its "
        "owner's, trained further behind the front end)",
    ),
    "defense_id": Column("varchar", "id of the defense"),
    "surrogate": Column("varchar", "surrogate gradient of the attack; empty for the default"),
    "source": Column(
        "varchar",
        "model that was attacked instead, whose examples are judged here; empty where it is the defense itself",
    ),
    "family": Column("varchar", "id of the attack family"),
    "norm": Column("varchar", "linf, l2 or l1"),
    "eps": Column("double", "radius in [0,1] pixel values; empty for minimum-norm attacks"),
    "parameters": Column("varchar", "the attack's parameters, JSON"),
    "library": Column("varchar", "attack library"),
    "library_version": Column("varchar", "its version"),
    "call": Column("varchar", "the library's own name for the attack"),
    "difference": Column(
        "varchar", "named difference of the library's realization; empty where the parameters map exactly"
    ),
    "causes": Column("varchar", "what the difference is about"),
    "weakens": Column("varchar", "those of the causes that make the library's call weaker"),
    "strengthens": Column("varchar", "those that make it stronger"),
    "rounding": Column(
        "double",
        "share of the samples whose examples change by more than 1e-4 where the logits are rounded anew; measured "
        "where every exact library should return the same examples, empty elsewhere",
    ),
    "rounding_samples": Column("double", "samples on which that was measured"),
    "zero_loss": Column(
        "double",
        "share of the samples whose cross-entropy is exactly 0 in float32, so that its gradient no longer knows the "
        "label's logit; at the image, through the attack's surrogate; empty of attacks that do not follow it",
    ),
    "zero_gradient": Column("double", "share of the samples whose gradient of it is exactly 0 everywhere"),
    "caveat": Column("varchar", "unusual inputs on which the realization departs from the family"),
    "faults": Column("varchar", "what the attack changed and should not have: images, labels, the model"),
    "judged_eps": Column(
        "double",
        "radius at which robust_accuracy is judged: eps; of minimum-norm attacks the run's largest in the norm",
    ),
    "level": Column(
        "double",
        "error level of a comparison with another library's cell: 0.05, or where the matrix decides this look's share",
    ),
    "robust_accuracy": Column(
        "double", "share of the samples that are classified correctly and that the attack did not break at judged_eps"
    ),
    "seed": Column("bigint", "seed of the cell"),
    "forwards": Column("double", "forward passes, mean a sample"),
    "backwards": Column("double", "backward passes, mean a sample"),
    "stages": Column(
        "varchar",
        "of an attack in stages: each with the samples that it tried and broke, and its passes in all; empty of others",
    ),
    "seconds": Column("double", "wall time of the attack"),
    "batch": Column(
        "bigint", "images that the attack was given at once; fewer than the matrix's batch_size where memory ran out"
    ),
    "command": Column("varchar", "runs this cell again"),
    "error": Column("varchar", "traceback of a failed cell"),
}
"""What is known of each cell: the table ``cells``."""

CELL = (
    "cell",
    *MODEL,
    "training",
    "defense_id",
    "surrogate",
    "family",
    "source",
    "norm",
    "parameters",
    "library",
    "seed",
)
"""Columns of a cell that stand before its records in the table ``outcomes``."""

OUTCOMES: dict[str, Column] = {
    **{name: CELLS[name] for name in CELL},
    "eps": Column("double", "radius at which the example is judged, [0,1] pixel values"),
    "minimum_norm": Column("boolean", "whether the attack looks for the smallest perturbation"),
    **{name: column for name, column in RECORDS.columns.items() if name != "cell"},
}
"""One row a sample, cell and radius; minimum-norm attacks are judged at every radius in their norm."""
