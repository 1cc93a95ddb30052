"""What a study searches, as its spec says."""

from study.spec.dimensions import (
    BatchOrders,
    Choice,
    Counts,
    Draws,
    Dropouts,
    Initializations,
    LearningRates,
    Noises,
    Patiences,
    Range,
    ReceptiveFields,
    Schedules,
    Slopes,
    SynapseUnits,
)
from study.spec.section import Section


class Space(Section):
    """What is searched: a plain value is fixed, a list a choice, a table with low and high a range.

    The names are those of `models.Architecture` and `study.training.train.TrainingSettings`. What a family
    does not have is not asked for it. A `cnn` takes the largest square kernel that `synapses` allow.
    The defaults are those that did best on Fashion-MNIST (docs/networks.md).
    """

    somata: Counts = Choice((32, 64, 128, 256))
    dendrites: Counts = Range(low=1, high=32, log=True, integer=True)
    synapses: Counts = Choice((16,))
    layers: Counts = Choice((1,))
    leaky_slope: Slopes = Choice((0.1,))
    dendrite_slope: Slopes = Choice((0.0,))
    dropout: Dropouts = Choice((0.0,))
    initialization: Initializations = Choice(("fan_in",))
    synapse_draw: Draws = Choice(("constant",))
    cable_draw: Draws = Choice(("constant",))
    receptive_field: ReceptiveFields = Choice(("ring",))
    synapses_per: SynapseUnits = Choice(("dendrite",))
    learning_rate: LearningRates = Range(low=2e-3, high=2e-2, log=True, integer=False)
    schedule: Schedules = Choice(("cosine",))
    batch_size: Counts = Choice((128,))
    patience: Patiences = Choice((0,))
    noise: Noises = Choice((0.0,))
    batch_order: BatchOrders = Choice(("shuffled",))
