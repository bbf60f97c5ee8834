"""What the attacks of a diagnosis may spend."""

from __future__ import annotations

from frontdef import config as configs


class Budget(configs.Config):
    """Steps, queries and draws; the defaults diagnose 64 small images in seconds."""

    steps: int = configs.field(40, ge=10, description="steps of the white-box attack (Madry et al. 2018 on MNIST)")
    restarts: int = configs.field(4, ge=2, description="random starts; compared with half as many, and with none")
    targets: int = configs.field(
        9, ge=1, description="wrong classes that are aimed at, the nearest by gap over gradient norm"
    )
    noise: int = configs.field(100, ge=1, description="draws of random noise a sample")
    queries: int = configs.field(500, ge=10, description="queries of the random search a sample")
    passes: int = configs.field(5, ge=2, description="passes that must agree (AutoAttack)")
    directions: int = configs.field(100, ge=1, description="random directions a sample (Pintor et al. 2022)")
    binarized: int = configs.field(16, ge=1, description="samples that get a binarized copy (Zimmermann et al. 2022)")
    inner: int = configs.field(199, ge=1, description="inner points of a binarized copy (there: 999)")
    eot: int = configs.field(8, ge=1, description="draws of a randomized front end that an attack averages over")
    judge: int = configs.field(32, ge=1, description="fresh draws by which a randomized front end is judged")
