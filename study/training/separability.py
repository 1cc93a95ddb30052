"""The separability of classes by the outputs of a layer, embedded in two dimensions.

Source: Chavlis & Poirazi, Nat Commun 2025;16:943, "Methods" (representations, Fig. 6): t-SNE to two
dimensions, silhouette, neighbourhood hit and trustworthiness. The paper uses the first 2,000 test
images and ten random initializations; here 1,000 images and one initialization by principal
components make the result deterministic.
"""

import math
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.network import Network
from study.training.evaluation import images_at_once
from study.training.split import Split

Array = NDArray[np.float64]

IMAGES: Final = 1000
"""The maximum number of images."""

_COMPONENTS: Final = 50
_PERPLEXITY: Final = 50.0
_NEIGHBOURS: Final = 11
_UNITS_AT_ONCE: Final = 4096
_NAMES: Final = ("silhouette", "neighbourhood_hit", "trustworthiness")


def separability_of(network: Network, split: Split) -> dict[str, Tensor]:
    """Silhouette, neighbourhood hit and trustworthiness of each layer by name, each (R,).

    The names are `layer1_somata_silhouette` and so on. Values are nan for a layer with equal outputs
    for all images, or with fewer than two classes or 15 images.
    """
    rows = measured_images(split.labels.cpu().numpy())
    labels = split.labels.cpu().numpy()[rows]
    images = split.images[torch.from_numpy(rows).to(split.images.device)]
    separability: dict[str, Tensor] = {}
    for name, grams in _gram_matrices(network, images).items():
        measured = [_measured(gram, labels) for gram in grams]
        for measure, values in zip(_NAMES, zip(*measured, strict=True), strict=True):
            separability[f"{name}_{measure}"] = torch.tensor(values, dtype=torch.float64)
    return separability


def measured_images(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """The images that are embedded: the first ones of each class in proportion, in their order."""
    _, classes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    place = np.empty(len(labels))
    by_class = np.argsort(classes, kind="stable")
    place[by_class] = np.concatenate([(np.arange(size) + 0.5) / size for size in sizes])
    return np.sort(np.argsort(place, kind="stable")[:IMAGES])


def principal_components(gram: Array, count: int = _COMPONENTS) -> Array:
    """The coordinates of n points on their first principal components, (n, at most count).

    `gram`: the products of the centred points, (n, n), whose scaled eigenvectors are the coordinates;
    with many units it is far smaller than the points. The largest entry of each component is positive,
    which makes the signs deterministic.
    """
    values, vectors = np.linalg.eigh(gram)
    kept = [index for index in range(len(gram) - 1, -1, -1) if values[index] > 1e-10 * values[-1]]
    components = vectors[:, kept[:count]]
    largest = np.abs(components).argmax(axis=0)
    signs = np.sign(components[largest, np.arange(components.shape[1])])
    return np.asarray(components * signs * np.sqrt(values[kept[:count]]), dtype=np.float64)


def embedding(components: Array) -> Array:
    """The deterministic t-SNE embedding in two dimensions, (n, 2).

    It starts from the first two components. The perplexity is 50; below 151 points it is (n - 1) / 3.
    """
    from sklearn.manifold import TSNE  # noqa: PLC0415  # takes a second; few studies need it
    from threadpoolctl import threadpool_limits  # noqa: PLC0415  # as above

    count = len(components)
    start = np.zeros((count, 2))
    start[:, : min(2, components.shape[1])] = components[:, :2]
    start *= 1e-4 / start[:, 0].std()  # as scikit-learn's default start
    perplexity = min(_PERPLEXITY, (count - 1) / 3)
    method = TSNE(
        2,
        perplexity=perplexity,
        init=start.astype(np.float32),
        learning_rate="auto",
        random_state=0,
    )
    # With several threads the sums would depend on their number, and most of the time is waiting.
    with threadpool_limits(1):
        return np.asarray(method.fit_transform(components), dtype=np.float64)


def neighbourhood_hit(points: Array, labels: NDArray[Any]) -> float:
    """The mean share of the 11 nearest neighbours of a point that have its label.

    The paper counts the point itself as one of 11: 1/11 plus 10/11 of the share among 10 neighbours.
    """
    from sklearn.neighbors import NearestNeighbors  # noqa: PLC0415  # as above

    nearest = NearestNeighbors(n_neighbors=min(_NEIGHBOURS, len(points) - 1)).fit(points)
    others = nearest.kneighbors(return_distance=False)
    return float((labels[others] == labels[:, None]).mean())


def distances(gram: Array) -> Array:
    """The distances between n points, (n, n), from their products, (n, n)."""
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
    """The products of the centred outputs of the images, (n, n), for each layer and replicate."""
    network.eval()
    names = [name for name, _ in network.activations(images[:1])]
    grams: dict[str, list[Array]] = {}
    for layer in names:  # one layer at a time, to limit memory
        outputs = torch.cat(
            [
                outputs.cpu()
                for batch in torch.split(images, images_at_once(network))
                for name, outputs in network.activations(batch)
                if name == layer
            ],
            dim=2,
        )
        # Makes outputs that are equal for all images exactly 0, unlike subtracting a rounded mean.
        outputs -= outputs[:, :, :1].clone()
        outputs -= outputs.mean(dim=2, keepdim=True)
        grams[layer] = [_gram(replicate) for replicate in outputs]
    return grams


def _gram(outputs: Tensor) -> Array:
    """The products of centred outputs, (U, n) to (n, n), in double precision and in parts."""
    gram = torch.zeros(outputs.shape[1], outputs.shape[1], dtype=torch.float64)
    for part in torch.split(outputs, _UNITS_AT_ONCE):
        gram += part.double().T @ part.double()
    return np.asarray(gram.numpy(), dtype=np.float64)
