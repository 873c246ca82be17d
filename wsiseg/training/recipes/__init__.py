"""Ways to train, as published; a new recipe is a file here and an entry in `RECIPES`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsiseg.registry import Registry

if TYPE_CHECKING:
    from wsiseg.training.recipes.recipe import Recipe

RECIPES: Registry[Recipe] = Registry(
    "recipe",
    "wsiseg.recipes",
    {
        "plain": "wsiseg.training.recipes.plain:PLAIN",
        "espnet": "wsiseg.training.recipes.espnet:ESPNET",
        "rdrnet": "wsiseg.training.recipes.rdrnet:RDRNET",
    },
)
"""Recipes by the names that users type."""
