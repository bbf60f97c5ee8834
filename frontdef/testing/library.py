"""The kit for a library of attacks: what is asked for arrives, and nothing but the examples is left behind."""

from __future__ import annotations

import importlib
import re
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
import torch
from torch import nn

from frontdef.attacks.goal import goal
from frontdef.attacks.guard import isolated
from frontdef.attacks.library import AttackLibrary, Realization
from frontdef.attacks.spec import AttackSpec, Family
from frontdef.checks.generators import global_states
from frontdef.errors import ConfigError, MissingExtraError
from frontdef.registry import get_attack_libraries, get_family
from frontdef.testing.networks import attack, fitted_cnn, undefended, unseen_digits
from frontdef.testing.parameters import pairs, quick
from frontdef.testing.spy import Call, changed, watched
from frontdef.threat import ThreatModel

if TYPE_CHECKING:
    from torch import Tensor

Row = tuple[str, str]
"""Family and norm."""

EPS: Mapping[str, float] = {"linf": 0.15, "l2": 1.0, "l1": 6.0, "l0": 5.0, "spatial": 1.0}
"""Radii of a quick attack, [0,1] pixel values."""

UNBOUNDED: Mapping[str, float] = {"linf": 1.0, "l2": 1e3, "l1": 1e4, "l0": 1e4}
"""Radii in which everything lies, for attacks that look for the smallest perturbation."""


class LibraryConformance:
    """Subclass it and name a library; every promise of every row of its table becomes a test.

    What a library is known not to keep is said in the class, row by row, and then must not be kept: a fact that is no
    longer true fails as well.
    """

    library: ClassVar[str | AttackLibrary]
    """Id of the library, or itself."""

    modules: ClassVar[Sequence[str]]
    """Where its calls are, by import path: ``("adv_lib.attacks",)``."""

    side: ClassVar[int] = 14
    """Of the digits that it attacks, pixels."""

    leaves_the_ball: ClassVar[Collection[Row]] = ()
    """Rows whose examples leave the threat model."""

    rounding: ClassVar[Mapping[Row, float]] = {}
    """How far beyond the radius the rounding of a row may put examples, in the radius's unit."""

    several: ClassVar[Collection[tuple[str, str]]] = ()
    """``(family, parameter)`` that change more than one argument of the call."""

    unseeded: ClassVar[Collection[Row]] = ()
    """Rows that are random although their family is deterministic by default."""

    radii: ClassVar[Mapping[Row, float]] = {}
    """Radii of rows that need another one than `EPS`."""

    @classmethod
    def _library(cls) -> AttackLibrary:
        return get_attack_libraries()[cls.library] if isinstance(cls.library, str) else cls.library

    @classmethod
    def setup_class(cls) -> None:
        """Skip a library that is not installed."""
        try:
            cls._library().version()
        except MissingExtraError as error:
            pytest.skip(str(error))

    @classmethod
    def pytest_generate_tests(cls, metafunc: pytest.Metafunc) -> None:
        """Run a test that asks for ``row`` once for each row of the table."""
        if "row" in metafunc.fixturenames:
            metafunc.parametrize("row", list(cls._library().table()), ids="-".join)

    def test_the_row_is_of_a_known_family_and_norm(self, row: Row) -> None:
        """And what it says is unsupported are parameters of that family, with a value that the family allows."""
        family, norm = get_family(row[0]), row[1]
        assert norm in family.norms
        family.parameters(**dict(self._row(row).unsupported or {}))

    def test_the_call_exists(self, row: Row) -> None:
        """Its name is one that a user of the library can type."""
        name = self._row(row).call.partition("(")[0]
        assert any(callable(getattr(importlib.import_module(module), name, None)) for module in self.modules)

    def test_every_parameter_reaches_the_call(self, row: Row) -> None:
        """A parameter with another value changes one argument of the library's call, which takes that name.

        The class to reach arrives as labels, and where a library asks whether there is one, as a switch, too.
        """
        family, seen = get_family(row[0]), dict[str, list[Call]]()
        for name in family.parameters.model_fields.keys() - (self._row(row).unsupported or {}).keys():
            base, varied = pairs(family, row[1], self._eps(row), name, self._quick(row))
            if str(base) not in seen:
                seen[str(base)] = self._calls(row, base)
            different = changed(seen[str(base)], self._calls(row, varied))
            assert different, f"{name}={getattr(varied.parameters, name)!r} changes nothing in {self._row(row).call}"
            if name != "target" and (row[0], name) not in self.several:
                assert len(different) == 1, f"{name} changes {', '.join(different)}"

    def test_what_it_cannot_express_is_refused(self, row: Row) -> None:
        """Another value of an unsupported parameter raises, and is never approximated."""
        family, realization = get_family(row[0]), self._row(row)
        for name, only in (realization.unsupported or {}).items():
            fixed = {**self._quick(row), name: only}
            _, varied = pairs(family, row[1], self._eps(row), name, fixed)
            message = re.escape(f"{realization.call} has {name}={only!r} only")
            with pytest.raises(ConfigError, match=message):
                self._library().run(varied, self._model(), *self._batch(4))

    def test_examples_stay_in_the_threat_model(self, row: Row) -> None:
        """They have the images' shape, type and device, and lie in the ball and in [0,1]."""
        x, y = self._batch(12)
        examples = self._attack(row, x, y)
        assert (examples.shape, examples.dtype, examples.device) == (x.shape, torch.float32, x.device)
        assert not examples.requires_grad
        eps = UNBOUNDED[row[1]] if get_family(row[0]).minimum_norm else self._eps(row) + self.rounding.get(row, 0.0)
        inside = bool(ThreatModel(row[1], eps).contains(x, examples).all())  # type: ignore[arg-type]
        assert inside == (row not in self.leaves_the_ball)

    def test_nothing_else_changes(self, row: Row) -> None:
        """Images, labels, weights, modes, gradients and the global generator are as before."""
        (x, y), model = self._batch(8), self._model()
        weight = next(model.parameters())
        before, states = (x.clone(), y.clone(), weight.clone()), global_states()
        self._attack(row, x, y)
        assert all(torch.equal(*pair) for pair in zip(before, (x, y, weight), strict=True))
        assert global_states() == states
        assert not x.requires_grad
        assert not any(module.training for module in model.modules())
        assert not any(parameter.requires_grad or parameter.grad is not None for parameter in model.parameters())

    def test_a_seed_fixes_the_examples(self, row: Row) -> None:
        """The same seed gives the same examples; where nothing is random, so does another one."""
        family, (x, y) = get_family(row[0]), self._batch(4)
        random = {"random_start": True} if "random_start" in family.parameters.model_fields else {}

        def run(seed: int) -> Tensor:
            return self._attack(row, x, y, seed=seed, **random).nan_to_num(-1.0)

        first = run(1)
        assert torch.equal(first, run(1))
        if family.deterministic and not random and row not in self.unseeded:
            assert torch.equal(first, run(2))

    def test_one_image_in_color_is_a_batch(self, row: Row) -> None:
        """No shape is taken for granted: one image of three channels, other classes."""
        torch.manual_seed(0)
        side = self.side
        net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Tanh(), nn.Flatten(), nn.LazyLinear(5))
        x = torch.rand(1, 3, side, side)
        with torch.no_grad():
            net(x)
        model = undefended(net, (3, side, side))
        y = model.predict(x).argmax(1)
        assert self._attack(row, x, y, model=model).shape == x.shape

    def test_it_takes_logits_in_double(self, row: Row) -> None:
        """Or says that it does not: then ``precise`` is refused before the call, which would raise."""
        x, y = self._batch(2)
        if not self._row(row).single:
            assert self._attack(row, x, y, precise=True).shape == x.shape
            return
        with pytest.raises(ConfigError, match="float32 logits only"):
            self._attack(row, x, y, precise=True)
        with pytest.raises(RuntimeError, match=r"(?i)dtype"):
            self._attack(row, x, y, model=self._model().precise())

    def test_the_version_is_the_one_that_is_installed(self) -> None:
        """Results are kept by it."""
        from importlib.metadata import version

        assert self._library().version() == version(self._library().distribution)

    @classmethod
    def _row(cls, row: Row) -> Realization:
        return cls._library().table()[row]

    @classmethod
    def _eps(cls, row: Row) -> float:
        return cls.radii.get(row, EPS[row[1]])

    @classmethod
    def _quick(cls, row: Row, **more: Any) -> dict[str, Any]:
        family: Family = get_family(row[0])
        return {**quick(family), **(cls._row(row).unsupported or {}), **more}

    @classmethod
    def _model(cls) -> Any:
        return fitted_cnn(cls.side)

    @classmethod
    def _batch(cls, n: int) -> tuple[Tensor, Tensor]:
        """Digits that the model has not seen and gets right."""
        images, labels = unseen_digits(cls.side)
        return images[:n].clone(), labels[:n].clone()

    def _attack(self, row: Row, x: Tensor, y: Tensor, *, model: Any = None, seed: int = 0, **more: Any) -> Tensor:
        parameters = self._quick(row, **more)
        return attack(self._library(), *row, self._eps(row), model or self._model(), x, y, seed=seed, **parameters)

    def _calls(self, row: Row, spec: AttackSpec) -> list[Call]:
        model, (x, y) = self._model(), self._batch(4)
        goals = goal(spec, model, x, y)
        with isolated(model, 0), watched(self.modules, self._row(row).call) as calls:
            self._library().run(spec, model, x, goals)
        return calls
