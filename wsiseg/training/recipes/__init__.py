"""Ways to train, as published; a new one is a file and an entry in `RECIPES`."""

from __future__ import annotations

from wsiseg.errors import ArgumentError
from wsiseg.training.recipes.espnet import ESPNET
from wsiseg.training.recipes.plain import PLAIN
from wsiseg.training.recipes.rdrnet import RDRNET
from wsiseg.training.recipes.recipe import Recipe, Stage

RECIPES = (PLAIN, ESPNET, RDRNET)

__all__ = ["RECIPES", "Recipe", "Stage", "find_recipe"]


def find_recipe(name: str) -> Recipe:
    """Return the recipe called `name`.

    Raises
    ------
    ArgumentError
        If there is none.
    """
    for recipe in RECIPES:
        if recipe.name == name:
            return recipe
    known = ", ".join(recipe.name for recipe in RECIPES)
    raise ArgumentError(f"there is no recipe {name!r}", "--recipe", f"Use one of: {known}.")
