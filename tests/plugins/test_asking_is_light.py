"""Who asks a stored run for its numbers imports no ML library, and for its table no pandas either."""

from __future__ import annotations

from tests.stored_runs import matrix_run, study_run

ML = "art captum foolbox sklearn torch torchattacks torchvision"
SLOW = f"{ML} duckdb matplotlib pandas scipy"

IN_PYTHON = """
run = frontdef.load_results({run!r})
run.brackets(), run.beliefs(), run.worst(), run.cells(), run.outcomes(), run.agreement(), run.failures()
run.examples("a"), run.clean("digits"), run.figures("digits", "cnn", "none"), run.sql("select count(*) from outcomes")
"""

QUICK = {
    "table": ["results", "{run}"],
    "failed": ["results", "{run}", "--failed"],
    "plan": ["plan", "{run}"],
    "status": ["status", "{run}"],
    "compare": ["compare", "{run}", "{run}"],
    "worst": ["results", "{run}", "--worst"],
}

ASKED = {
    "study": ["results", "{study}"],
    "agreement": ["results", "{run}", "--agreement"],
    "metrics": ["results", "{run}", "--metrics"],
    "sql": ["results", "{run}", "--sql", "select * from cells"],
    "report": ["report", "{run}"],
    "report of a study": ["report", "{study}"],
    "verify": ["verify", "{run}"],
    "compact": ["compact", "{run}"],
    "metrics on offer": ["ls", "metrics"],
    "in Python": IN_PYTHON,
}


def test_asking_a_stored_run_imports_no_ml_library(site, tmp_path):
    runs = {"run": str(matrix_run(tmp_path / "run")), "study": str(study_run(tmp_path / "study"))}

    def steps(named):
        return {
            name: step.format(**runs) if isinstance(step, str) else [word.format(**runs) for word in step]
            for name, step in named.items()
        }

    culprits = site.ask(f"""
        import contextlib, io, json, sys
        culprits, seen = {{}}, set()
        for heavy, asked in (({SLOW!r}, {steps(QUICK)!r}), ({ML!r}, {steps(ASKED)!r})):
            for name, step in asked.items():
                with contextlib.redirect_stdout(io.StringIO()):
                    import frontdef
                    if isinstance(step, str):
                        exec(step)
                    else:
                        from frontdef.cli import main
                        main(step, standalone_mode=False)
                culprits[name] = sorted(set(heavy.split()) & set(sys.modules) - seen)
                seen |= set(sys.modules)
        print(json.dumps(culprits))
    """)
    assert culprits == {name: [] for name in (*QUICK, *ASKED)}
