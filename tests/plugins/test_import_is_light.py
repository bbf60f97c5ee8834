"""Looking around imports no ML library and takes under a second, whatever the installed plugins import."""

from __future__ import annotations

import json

HEAVY = "art foolbox matplotlib numpy pandas scipy sklearn torch torchattacks torchvision"

LOOKING_AROUND = {
    "import": "import frontdef",
    "registry": "from frontdef import registry; registry.plugins(); registry.get_attacks(); registry.get_datasets()",
    "defenses": "import frontdef; frontdef.get_defenses(norm='linf'); frontdef.get_classifiers()",
    "help": ["--help"],
    "version": ["--version"],
    "plugins": ["plugins"],
    "plugins as JSON": ["plugins", "--json"],
    "requirements": ["plugins", "--requirements"],
    "ls defenses": ["ls", "defenses"],
    "ls attacks": ["ls", "attacks", "--norm", "linf"],
    "ls datasets": ["ls", "datasets"],
    "ls classifiers": ["ls", "classifiers", "--json"],
    "ls models": ["ls", "models"],
    "ls help": ["ls", "--help"],
    "new-plugin": ["new-plugin", "--help"],
    "doctor": ["doctor", "--help"],
}

# The plugin of the README and the design, whole: one file that imports torch as soon as it is imported.
ONE_FILE = """
    import frontdef
    from frontdef import bpda

    class RoundingConfig(frontdef.Config):
        levels: int = frontdef.field(8, ge=2, description="gray levels per channel")

    class Rounding(frontdef.FrontEnd):
        def forward(self, x):
            return bpda.quantize(x, self.config.levels)

    @frontdef.hookimpl
    def frontdef_defenses():
        yield frontdef.Defense("rounding", Rounding, RoundingConfig)
"""

# Other ways to want torch: after a module of its own, behind an except, inside a module of its own, in the hook, and
# in somebody else's module that catches the error.
LATE = "import frontdef_{name}.first\nimport torch\nfrom frontdef_{name} import second\n"
CAUGHT = "try:\n    import torch\nexcept ImportError:\n    torch = None\n"
DEEP = "from frontdef_{name} import deep\nHAS_TORCH = deep.torch is not None\n"
HOOK = "import frontdef\n@frontdef.hookimpl\ndef frontdef_defenses():\n{body}"
OFFER = "    yield frontdef.Defense('{name}', front_end='frontdef.frontend:Identity', summary={summary})\n"

WAYS = {
    "late": (LATE, "str(second.torch.__name__)", {"first.py": "x = 1\n", "second.py": "import torch\n"}),
    "caught": (CAUGHT, "str(torch and torch.__name__)", {}),
    "deep": (DEEP, "str(HAS_TORCH and deep.torch.__name__)", {"deep.py": CAUGHT}),
    "hook": ("", "str(torch.__name__)", {}),
    "elsewhere": (
        "import some_library\n",
        "str(some_library.torch and some_library.torch.__name__)",
        {"../some_library/__init__.py": CAUGHT},
    ),
}


def install_ways(site):
    for name, (imports, summary, files) in WAYS.items():
        body = ("    import torch\n" if name == "hook" else "") + OFFER.format(name=name, summary=summary)
        source = imports.format(name=name) + HOOK.format(body=body)
        site.install(f"frontdef-{name}", source, files={path: text.format(name=name) for path, text in files.items()})
    return site


def test_looking_around_imports_no_ml_library(site):
    culprits = site.ask(f"""
        import contextlib, io, json, sys
        heavy, culprits = set({HEAVY.split()!r}), {{}}
        for name, step in {LOOKING_AROUND!r}.items():
            with contextlib.redirect_stdout(io.StringIO()):
                if isinstance(step, str):
                    exec(step)
                else:
                    from frontdef.cli import main
                    main(step, standalone_mode=False)
            culprits[name] = sorted(heavy & set(sys.modules))
            heavy -= set(sys.modules)
        print(json.dumps(culprits))
    """)
    assert culprits == {name: [] for name in LOOKING_AROUND}


def test_a_plugin_that_imports_torch_is_listed_from_its_metadata(site):
    install_ways(site.install("frontdef-rounding", ONE_FILE))
    listing = site.ask("""
        import json, sys
        from frontdef import registry
        rows = {row.name: row.to_dict() for row in registry.plugins("guarded")}
        print(json.dumps({"rows": rows, "torch": "torch" in sys.modules, "finders": len(sys.meta_path),
                          "left": sorted(name for name in sys.modules if name.startswith("frontdef_"))}))
    """)
    assert listing["torch"] is False
    for name in ("rounding", *WAYS):
        assert listing["rows"][name]["status"] == "ok"
        assert listing["rows"][name]["version"] == "0.1.0"
        reason = "not imported here: it imports torch; `frontdef plugins --load` imports everything"
        assert listing["rows"][name]["reason"] == reason
    assert listing["rows"]["good"]["reason"] == ""
    assert listing["rows"]["good"]["offers"] == {"defenses": ["good"]}
    packages = {name.partition(".")[0] for name in listing["left"]}
    assert "frontdef_good" in packages
    assert not packages & {
        "frontdef_rounding",
        "frontdef_late",
        "frontdef_caught",
        "frontdef_deep",
        "frontdef_elsewhere",
    }


def test_a_refused_import_leaves_nothing_behind(site):
    """After a listing, the same process imports every plugin whole: no module has seen the refusal."""
    install_ways(site.install("frontdef-rounding", ONE_FILE))
    answers = site.ask(
        """
        import json, sys
        import frontdef
        from frontdef import registry
        finders = list(sys.meta_path)
        registry.plugins("guarded")
        assert sys.meta_path == finders
        summaries = {defense.name: defense.summary for defense in frontdef.get_defenses()}
        print(json.dumps([summaries, {row.name: row.status for row in registry.plugins()}]))
        """,
        FRONTDEF_PLUGINS=",".join(["rounding", *WAYS]),
    )
    summaries, statuses = answers
    assert {name: summaries[name] for name in WAYS} == dict.fromkeys(WAYS, "torch")
    assert statuses["rounding"] == "ok"


def test_ls_defenses_is_complete_even_where_that_costs_an_import(site):
    site.install("frontdef-rounding", ONE_FILE)
    listed = [row["name"] for row in json.loads(site.cli("ls", "defenses", "--json", FRONTDEF_PLUGINS="rounding").out)]
    assert listed == ["none", "rounding"]
