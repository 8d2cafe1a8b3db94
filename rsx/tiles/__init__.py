"""Tiles: one file per tile, all with the same anatomy. Source: specs/tiles.md."""
