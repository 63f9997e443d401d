"""Write what torchvision's C++ RoI operators answer to a file, for a machine where they load.

python tests/support/record_roi_results.py tests/unit/ops/torchvision_roi.json
"""

import itertools
import json
import sys

import torch
import torchvision
from torch import Tensor
from torchvision.ops import roi_align, roi_pool

# On a map of 6×8 cells, at scale 1: inside, over each border, more than a cell outside, without extent, inverted,
# and corners on halves, where rounding and the limits of the map are decided.
BOXES = [
    *([0, 1, 1, 5, 4], [1, 0.25, 0.4, 7.3, 5.6], [1, 2.5, 1.5, 6.5, 3.5], [0, 3.2, 2.1, 3.9, 2.6]),
    *([1, -3, -2, 3, 2], [0, 5, 4, 12, 9], [0, -6, -5, 15, 12], [1, -1, -1, 8, 6], [0, -0.5, -0.5, 7.5, 5.5]),
    *([1, -9, -9, -3, -3], [0, 11, 1, 15, 4], [0, -2, 1, 0, 4], [1, 8, 6, 9, 7]),
    *([0, 4, 3, 4, 3], [1, 4, 1, 4, 5], [0, 5, 4, 2, 1], [1, 6.5, 4.5, 0.5, 0.5]),
]


def rounded(values: Tensor) -> list[float]:
    return [float(f"{value:.10g}") for value in values.flatten().tolist()]


def record() -> dict:
    generator = torch.Generator().manual_seed(0)
    input = torch.randint(-99, 100, (2, 2, 6, 8), generator=generator).double() / 100
    boxes = torch.tensor(BOXES, dtype=torch.float64)
    cases = [
        {"op": "roi_pool", "output_size": size, "spatial_scale": scale}
        for size, scale in itertools.product([[3, 2], [1, 5]], [1.0, 0.5])
    ]
    cases += [
        {"op": "roi_align", "output_size": size, "spatial_scale": scale, "sampling_ratio": ratio, "aligned": aligned}
        for size, scale, ratio, aligned in itertools.product([[3, 2]], [1.0, 0.5], [-1, 1, 2], [False, True])
    ]
    for case in cases:
        op = {"roi_pool": roi_pool, "roi_align": roi_align}[case["op"]]
        source = input.clone().requires_grad_()
        output = op(source, boxes, **{key: value for key, value in case.items() if key != "op"})
        # Any fixed weights do, as long as they differ.
        output.backward(torch.arange(output.numel(), dtype=torch.float64).view_as(output).cos())
        case |= {"output": rounded(output), "gradient": rounded(source.grad)}
    return {
        "torchvision": torchvision.__version__,
        "shape": list(input.shape),
        "input": rounded(input),
        "boxes": BOXES,
        "cases": cases,
    }


if __name__ == "__main__":
    with open(sys.argv[1], "w") as file:
        json.dump(record(), file, separators=(",", ":"))
        file.write("\n")
