"""Training: one small loop, many seeds at once, sweeps over processes or machines.

batches = minibatches(images, labels, size=32, seed=0)
def loss(model, images, labels):
    return F.cross_entropy(model(images), labels)
rates = torch.tensor([0.01, 0.1]).repeat_interleave(8)
ensemble = Ensemble(build, [*range(8)] * 2, learning_rate=rates, momentum=0.9)
ensemble.fit(batches, loss, steps=200)
ensemble.losses, ensemble.predict(images), ensemble.member(3)
"""

from fpnlib.training.batches import minibatches
from fpnlib.training.ensemble import Ensemble
from fpnlib.training.loop import History, train
from fpnlib.training.progress import ProgressCallback, reporting
from fpnlib.training.sweep import BACKENDS, cluster, sweep

__all__ = [
    "BACKENDS",
    "Ensemble",
    "History",
    "ProgressCallback",
    "cluster",
    "minibatches",
    "reporting",
    "sweep",
    "train",
]
