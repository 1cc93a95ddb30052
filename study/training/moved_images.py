"""Translated and mirrored images, as tensors of any device."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from study.engine.augmentation import draw_moves
from study.engine.recipe import Recipe


def moves_of(recipe: Recipe, images: int, seeds: Sequence[int], epoch: int) -> Tensor:
    """The moves of `study.engine.augmentation` for each replicate and image, (R, images, 3)."""
    drawn = [np.stack(draw_moves(recipe, images, seed, epoch), axis=-1) for seed in seeds]
    return torch.from_numpy(np.stack(drawn))


def moved(images: Tensor, moves: Tensor) -> Tensor:
    """The images (R, B, channels, height, width) after the moves (R, B, 3); zeros move in."""
    height, width = images.shape[-2:]
    rows = torch.arange(height, device=images.device) - moves[..., 0, None]
    columns = torch.arange(width, device=images.device) - moves[..., 1, None]
    in_rows, in_columns = ((rows >= 0) & (rows < height)), ((columns >= 0) & (columns < width))
    inside = in_rows[..., :, None] & in_columns[..., None, :]
    columns = torch.where(moves[..., 2, None] > 0, width - 1 - columns, columns)
    pixels = rows.clamp(0, height - 1)[..., :, None] * width
    pixels = pixels + columns.clamp(0, width - 1)[..., None, :]
    places = pixels.flatten(-2)[:, :, None].expand(*images.shape[:3], -1)
    found = images.flatten(-2).gather(-1, places).view_as(images)
    return found * inside[:, :, None]
