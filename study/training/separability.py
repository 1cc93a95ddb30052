"""How well a layer's outputs separate the classes, on a flat picture of them.

Source: Chavlis & Poirazi, Nat Commun 2025;16:943, "Methods" (representations, Fig. 6): t-SNE to two
dimensions, silhouette, neighbourhood hit and trustworthiness. Theirs is of the first 2,000 test images,
ten times at random; this one is of 1,000 images, once, from principal components: always the same.
"""

import math
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.network import Network
from study.training.activity import images_at_once
from study.training.dataset import Split

Array = NDArray[np.float64]

IMAGES: Final = 1000
"""The first so many of a split, or all of them."""

_COMPONENTS: Final = 50
_PERPLEXITY: Final = 50.0
_NEIGHBOURS: Final = 11
_UNITS_AT_ONCE: Final = 4096
_NAMES: Final = ("silhouette", "neighbourhood_hit", "trustworthiness")


def separability_of(network: Network, split: Split) -> dict[str, Tensor]:
    """Silhouette, neighbourhood hit and trustworthiness of each layer, each (R,), by name.

    `layer1_somata_silhouette` and so on; nan where a layer gives the same for every image, or where
    fewer than two classes or 15 images are there.
    """
    labels = split.labels[:IMAGES].cpu().numpy()
    found: dict[str, Tensor] = {}
    for name, grams in _gram_matrices(network, split.images[:IMAGES]).items():
        measured = [_measured(gram, labels) for gram in grams]
        for measure, values in zip(_NAMES, zip(*measured, strict=True), strict=True):
            found[f"{name}_{measure}"] = torch.tensor(values, dtype=torch.float64)
    return found


def principal_components(gram: Array, count: int = _COMPONENTS) -> Array:
    """The coordinates of n points on their first components, (n, at most count).

    `gram`: the products of the centred points, (n, n): with many units it is far smaller than the
    points, and its eigenvectors are the same coordinates. The largest entry of each component is
    positive, so that the signs are always the same.
    """
    values, vectors = np.linalg.eigh(gram)
    kept = [index for index in range(len(gram) - 1, -1, -1) if values[index] > 1e-10 * values[-1]]
    found = vectors[:, kept[:count]]
    largest = np.abs(found).argmax(axis=0)
    signs = np.sign(found[largest, np.arange(found.shape[1])])
    return np.asarray(found * signs * np.sqrt(values[kept[:count]]), dtype=np.float64)


def embedding(components: Array) -> Array:
    """The points in two dimensions by t-SNE, (n, 2), the same in every call.

    It starts from the first two components; its perplexity is 50, of fewer than 151 points (n - 1) / 3.
    """
    from sklearn.manifold import TSNE  # noqa: PLC0415  # a second to import; few studies ask for it
    from threadpoolctl import threadpool_limits  # noqa: PLC0415  # as above

    count = len(components)
    start = np.zeros((count, 2))
    start[:, : min(2, components.shape[1])] = components[:, :2]
    start *= 1e-4 / start[:, 0].std()  # what scikit-learn's own start has
    perplexity = min(_PERPLEXITY, (count - 1) / 3)
    method = TSNE(
        2,
        perplexity=perplexity,
        init=start.astype(np.float32),
        learning_rate="auto",
        random_state=0,
    )
    # Of several threads the sums would depend on how many; and they wait for each other a lot.
    with threadpool_limits(1):
        found = method.fit_transform(components)
    return np.asarray(found, dtype=np.float64)


def neighbourhood_hit(points: Array, labels: NDArray[Any]) -> float:
    """The mean share of a point's 11 nearest others that have its label.

    The paper counts each point among its own 11, which gives 1/11 + 10/11 of the same over 10.
    """
    from sklearn.neighbors import NearestNeighbors  # noqa: PLC0415  # as above

    nearest = NearestNeighbors(n_neighbors=min(_NEIGHBOURS, len(points) - 1)).fit(points)
    others = nearest.kneighbors(return_distance=False)
    return float((labels[others] == labels[:, None]).mean())


def distances(gram: Array) -> Array:
    """The distances of n points from the products of the points, (n, n)."""
    squares = np.diag(gram)
    squared = np.maximum(squares[:, None] + squares[None, :] - 2 * gram, 0.0)
    np.fill_diagonal(squared, 0.0)
    return np.asarray(np.sqrt(squared), dtype=np.float64)


def _measured(gram: Array, labels: NDArray[Any]) -> tuple[float, float, float]:
    from sklearn.manifold import trustworthiness  # noqa: PLC0415  # as above
    from sklearn.metrics import silhouette_score  # noqa: PLC0415  # as above

    components = principal_components(gram)
    classes = len(np.unique(labels))
    if components.shape[1] == 0 or len(gram) < 15 or not 1 < classes < len(gram):  # noqa: PLR2004  # said above
        return math.nan, math.nan, math.nan
    flat = embedding(components)
    neighbours = min(_NEIGHBOURS, (len(gram) - 1) // 2)
    kept = trustworthiness(distances(gram), flat, n_neighbors=neighbours, metric="precomputed")
    return float(silhouette_score(flat, labels)), neighbourhood_hit(flat, labels), float(kept)


@torch.no_grad()
def _gram_matrices(network: Network, images: Tensor) -> dict[str, list[Array]]:
    """For each layer and replicate the products of the images' centred outputs, (n, n)."""
    network.eval()
    names = [name for name, _ in network.activations(images[:1])]
    found: dict[str, list[Array]] = {}
    for wanted in names:  # one layer at a time: it is held for all images
        outputs = torch.cat(
            [
                outputs.cpu()
                for batch in torch.split(images, images_at_once(network))
                for name, outputs in network.activations(batch)
                if name == wanted
            ],
            dim=2,
        )
        # Of what is the same for every image exactly nothing is left, which a mean would not give.
        outputs -= outputs[:, :, :1].clone()
        outputs -= outputs.mean(dim=2, keepdim=True)
        found[wanted] = [_gram(replicate) for replicate in outputs]
    return found


def _gram(outputs: Tensor) -> Array:
    """Of centred outputs, (U, n), in double precision, in parts."""
    gram = torch.zeros(outputs.shape[1], outputs.shape[1], dtype=torch.float64)
    for part in torch.split(outputs, _UNITS_AT_ONCE):
        gram += part.double().T @ part.double()
    return np.asarray(gram.numpy(), dtype=np.float64)
