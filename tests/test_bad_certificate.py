"""A certificate that proves too much: the run says so, and ends in an error."""

from __future__ import annotations

from tests.plugins.conftest import Site

SURE = """
    import torch
    import frontdef
    from frontdef.certificate import Certificate

    class Everything(Certificate):
        norms = ("linf",)
        statement = "every prediction stands"

        def certify(self, protected, x, y, threat):
            return torch.ones(len(x), dtype=torch.bool)

    @frontdef.hookimpl
    def frontdef_defenses():
        yield frontdef.Defense("sure", front_end="frontdef.frontend:Identity", certificate=Everything)
"""

MATRIX = """
name = "sure"
samples = 16
classifiers = ["fc2"]
libraries = ["native"]
recipe = [{ epochs = 4, lr = 0.01 }]
[[defense]]
name = "sure"
[[attack]]
family = "fgsm"
eps = [0.3]
"""


def test_a_certified_sample_that_falls_is_an_error_of_the_run(tmp_path, cache):
    site = Site(tmp_path / "site").install("frontdef-sure", SURE)
    (tmp_path / "sure.toml").write_text(MATRIX)
    ended = site.forked(
        "-m", "frontdef", "run", str(tmp_path / "sure.toml"), "--out", str(tmp_path / "run"), FRONTDEF_CACHE=str(cache)
    )
    assert ended.code == 1
    assert "samples that sure certifies at" in " ".join(ended.out.split())
