"""What came after FPN: the levels of each net, what it costs, and where one cell of the backbone gets to."""

import dataclasses

import numpy as np
from ipywidgets import Widget
from matplotlib.figure import Figure

from fpnlib.explore import Explorer, choice, number, slider, toggle
from fpnlib.notes.fpn.experiments.successors import (
    BIFPN,
    FPN_ALONE,
    LEVELS,
    NECKS,
    PANET,
    ROWS,
    SIDE,
    Graph,
    added_cost,
    backbone_macs,
    flow,
    graph,
    shapes,
)
from fpnlib.notes.fpn.explorers.after_fpn_graph import fill_graph
from fpnlib.notes.fpn.explorers.after_fpn_parts import fill_costs, fill_output, reached_words, weights_words


@dataclasses.dataclass(frozen=True)
class AfterData:
    """A net's graph with its shapes, all nets' costs, and the way of one cell."""

    neck: str
    level: int
    through: bool
    side: int
    graph: Graph
    shapes: dict[str, tuple[int, int]]  # of every node: channels, and cells a side
    ways: dict[str, tuple[int, int]]  # of the nodes that are reached: fewest and most convolutions
    flows: dict[str, np.ndarray]  # of the outputs, (cells, cells), the largest 1 where any is reached
    costs: dict[str, tuple[int, int]]  # of every net: parameters and multiply-adds beyond ResNet-50's
    backbone_macs: int

    @property
    def start(self) -> str:
        """The node that the cell belongs to."""
        return f"C{self.level}"


class AfterExplorer(Explorer[AfterData]):
    """The graph, the costs beside each other, and the outputs with the cells that are reached."""

    title = "Levels of a net that came after FPN with their shapes, its cost beside others', and where one cell gets to"
    size = (1000, 620)
    groups = (("one cell's way", ("level", "through")), ("sizes", ("side", "channels")))

    def make_controls(self) -> dict[str, Widget]:
        """Return the net, whose cell is followed and by which ways, the image's side, and the channels."""
        return {
            "neck": choice("net", NECKS),
            "level": slider("a cell of C", LEVELS[0], LEVELS[0], LEVELS[-1], 1),
            "through": toggle("through the backbone too"),
            "side": slider("side of the image (pixels)", 2 * SIDE, SIDE, 4 * SIDE, SIDE),
            "channels": slider("channels of the levels", 256, 64, 256, 64),
        }

    def compute(self, neck: str, level: int, through: bool, side: int, channels: int) -> AfterData:
        """Count ways in the graph; follow a cell through the layers; add up the costs of all nets."""
        made = graph(neck)
        flows = flow(neck, level, side, through_backbone=through)
        return AfterData(
            *(neck, level, through, side, made),
            shapes=shapes(neck, side, channels),
            ways=made.ways(f"C{level}", through_backbone=through),
            flows={name: one / (one.max() or 1) for name, one in zip(made.outputs, flows, strict=True)},
            costs={name: added_cost(name, channels, side) for name in NECKS},
            backbone_macs=backbone_macs(FPN_ALONE, side),
        )

    def build(self, figure: Figure) -> None:
        """Lay out the graph and the costs, and below them the outputs."""
        rows = [["graph"] * 4 + ["costs"] * 2, ["."] * len(ROWS), [f"row {row}" for row in ROWS]]
        axes = figure.subplot_mosaic(rows, height_ratios=[3, 0.25, 1])
        title = "Channels × rows × columns of every map; in orange what the cell reaches"
        fill_graph(self.panel(axes["graph"], title=title))
        fill_costs(self.panel(axes["costs"], title="What each adds to ResNet-50", xscale="log", yticks=[]))
        for row in ROWS:
            fill_output(self.panel(axes[f"row {row}"], bare=True, aspect="equal"), row)

    def describe(self, data: AfterData) -> str:
        """Say the cost, and which outputs the cell reaches by how many convolutions."""
        parameters, macs = data.costs[data.neck]
        channels, cells = data.shapes[data.graph.outputs[0]]
        how = "through the backbone too" if data.through else "not through the backbone"
        ends = []
        for name in data.graph.outputs:
            steps, reached = reached_words(data, name)
            ends.append(f"{name} after {steps} ({reached})" if reached else f"{name} not")
        return (
            f"{data.neck}, on ResNet-50 and an image of {data.side}×{data.side}: {weights_words(parameters)} and "
            f"{number(macs / 1e9)} billion multiply-adds more than ResNet-50 alone, which has "
            f"{number(data.backbone_macs / 1e9)} billion of these; the finest output is {data.graph.outputs[0]}, "
            f"{channels}×{cells}×{cells}.\nOne cell of {data.start} reaches, {how}: {', '.join(ends)}."
        )

    def invariants(self, data: AfterData) -> dict[str, bool]:
        """Check that the graph and the layers agree on what is reached, and the order of some costs."""
        reached = {name for name, one in data.flows.items() if one.any()}
        fpn, path, both_ways = (data.costs[name] for name in (FPN_ALONE, PANET, BIFPN))
        return {
            "the layers reach what the graph reaches": reached == set(data.ways) & set(data.graph.outputs),
            "outputs are as large as is said": all(
                one.shape == data.shapes[name][1:] * 2 for name, one in data.flows.items()
            ),
            "the path back up comes on top of FPN": path[0] > fpn[0] and path[1] > fpn[1],
            "BiFPN, which begins at C3, multiplies less than FPN": both_ways[1] < fpn[1],
        }
