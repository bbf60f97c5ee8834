"""The library of attacks in docs/plugins.md is found, run, and agrees with the native one."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs" / "plugins.md").read_text(encoding="utf-8")

ASK = """
    import json
    import torch
    from frontdef import registry
    from frontdef.attacks.spec import make_spec
    from frontdef.config import Config
    from frontdef.frontend import Identity
    from frontdef.protected import Protected

    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3))
    model = Protected(Identity(Config()), net, image_shape=(1, 4, 4))
    x, y = torch.rand(5, 1, 4, 4), torch.arange(5) % 3
    libraries, spec = registry.get_attack_libraries(), make_spec(registry.get_family("fgsm"), "linf", 0.1)
    lab, native = (libraries[name].run(spec, model, x, y) for name in ("lab", "native"))
    print(json.dumps({
        "same": torch.allclose(lab, native),
        "moved": not torch.equal(lab, x),
        "offers": [[a.family.name, a.norm, a.realization.exact] for a in registry.get_attacks(library="lab")],
        "version": libraries["lab"].version(),
        "refusal": libraries["lab"].offers("fgsm", "linf").refusal(
            make_spec(registry.get_family("fgsm"), "linf", 0.1, {"target": "next"})
        ),
    }))
"""


def test_the_library_of_the_docs_works(site):
    section = PAGE.partition("## A library of attacks as a plugin")[2]
    plugin, library = re.findall(r"^```python\n(.*?)^```$", section, flags=re.DOTALL | re.MULTILINE)
    site.install("frontdef-lab", plugin, files={"library.py": library})
    assert site.ask(ASK, run=site.forked, FRONTDEF_PLUGINS="lab") == {
        "same": True,
        "moved": True,
        "offers": [["fgsm", "linf", True]],
        "version": "0.1.0",
        "refusal": "fgsm has target='none' only",
    }
