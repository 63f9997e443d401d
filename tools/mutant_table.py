"""The bugs that `mutants.py` plants: each a slip that people make."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Mutant:
    """A planted bug: in `path`, `before`, which stands there once, becomes `after`; `tests` must notice."""

    name: str
    path: str
    before: str
    after: str
    tests: tuple[str, ...]


_CLASSIFICATION = ("fpnlib/metrics/classification.py", ("tests/unit/metrics/test_classification.py",))
_CALIBRATION = ("fpnlib/metrics/calibration.py", ("tests/unit/metrics/test_calibration.py",))
_COSTS = (
    "fpnlib/notes/precision_recall/experiments/costs.py",
    (
        "tests/unit/notes/test_precision_recall.py::test_the_best_threshold_by_trying_them_all",
        "tests/unit/notes/test_precision_recall.py::test_the_corners_of_the_hull_are_what_is_best_for_some_slope",
    ),
)
_DETECTION = ("fpnlib/metrics/detection.py", ("tests/unit/metrics/test_detection.py",))
_BOXES = ("fpnlib/ops/boxes.py", ("tests/unit/ops/test_boxes.py",))
_ROI = ("fpnlib/ops/roi.py", ("tests/unit/ops/test_roi.py",))
_FIELD = ("fpnlib/ops/receptive_field.py", ("tests/unit/ops/test_receptive_field.py",))
_PROJECTION = ("fpnlib/ops/projection.py", ("tests/unit/ops/test_projection.py",))
_NORM = ("fpnlib/ops/batch_norm.py", ("tests/unit/ops/test_batch_norm.py",))
_NORMS = ("fpnlib/ops/normalization.py", ("tests/unit/ops/test_normalization.py",))
_NORM_LAYER = ("fpnlib/models/batch_norm.py", ("tests/unit/models/test_batch_norm_module.py",))
_SCHEDULES = ("fpnlib/schedules.py", ("tests/unit/schedules/test_schedules.py",))
_LIMITS = ("fpnlib/notes/warmup/experiments/limits.py", ("tests/unit/notes/test_warmup_room.py",))
_BORDERS = ("fpnlib/models/borders.py", ("tests/unit/models/test_borders.py",))
_FUSION = ("fpnlib/models/fusion.py", ("tests/unit/models/test_fusion.py",))
_FPN = ("fpnlib/models/fpn.py", ("tests/unit/models/test_fpn.py",))
_RESNET = ("fpnlib/models/resnet.py", ("tests/unit/models/test_strided_1x1.py",))
_DILATED = (_RESNET[0], ("tests/unit/models/test_necks.py::test_dilated_resnets_are_torchvisions",))
_EXTRA = ("fpnlib/models/extra_levels.py", ("tests/unit/models/test_necks.py",))
_NECKS = ("fpnlib/models/necks.py", ("tests/unit/models/test_necks.py",))
_FUSED = (_FUSION[0], ("tests/unit/models/test_necks.py",))
_WEIGHING = ("fpnlib/models/weighing.py", ("tests/unit/models/test_weighing.py",))
_LSTM = ("fpnlib/models/lstm.py", ("tests/unit/models/test_lstm.py",))
_SEGMENTATION = ("fpnlib/metrics/segmentation.py", ("tests/unit/metrics/test_segmentation.py",))
_PANOPTIC = ("fpnlib/metrics/panoptic.py", ("tests/unit/metrics/test_panoptic.py",))
_CRF = ("fpnlib/ops/dense_crf.py", ("tests/unit/ops/test_dense_crf.py",))
_CUT = ("fpnlib/ops/graph_cut.py", ("tests/unit/ops/test_graph_cut.py",))
_ENSEMBLE = ("fpnlib/training/ensemble.py", ("tests/unit/training/test_ensemble.py",))
_MOVED = (
    "fpnlib/notes/precision_recall/experiments/moved_boxes.py",
    ("tests/unit/notes/test_precision_recall.py::test_overlaps_class_by_class",),
)
_SILENCE = (
    "fpnlib/notes/warmup/experiments/silence.py",
    ("tests/unit/notes/test_warmup_room.py::test_a_net_whose_last_relus_are_silent_learns_in_the_last_biases_only",),
)
_SHOWN = ("fpnlib/claims/show.py", ("tests/unit/claims/test_ledger.py",))
_CLAIMS = ("fpnlib/claims/claim.py", ("tests/unit/claims/test_ledger.py",))


def _mutant(name: str, place: tuple[str, tuple[str, ...]], before: str, after: str) -> Mutant:
    path, tests = place
    return Mutant(name, path, before, after, tests)


def _measured(id: str, path: str, before: str, after: str) -> Mutant:
    test = f"tests/unit/notes/test_claims.py::test_the_stored_result_is_measured_again[{id}]"
    return Mutant(f"{id} measures something else", f"fpnlib/notes/{path}", before, after, (test,))


MUTANTS = (
    _mutant(
        "FP and FN swapped",
        _CLASSIFICATION,
        "fp, fn = int(called.sum()) - tp, int(hits.sum()) - tp",
        "fn, fp = int(called.sum()) - tp, int(hits.sum()) - tp",
    ),
    _mutant("a score at the threshold is called negative", _CLASSIFICATION, "called = ranks >= ", "called = ranks > "),
    _mutant(
        "the envelope runs from the wrong end",
        _CLASSIFICATION,
        "np.maximum.accumulate(precision[::-1])[::-1]",
        "np.maximum.accumulate(precision)",
    ),
    _mutant(
        "VOC's recall levels reached a step too late",
        _CLASSIFICATION,
        "np.searchsorted(recall, levels)",
        'np.searchsorted(recall, levels, side="right")',
    ),
    _mutant("F with beta in place of its square", _CLASSIFICATION, "weight = beta**2", "weight = beta"),
    _mutant("an edge belongs to the bin above it", _CALIBRATION, "[1:-1], values)", '[1:-1], values, "right")'),
    _mutant(
        "resolution about one half",
        _CALIBRATION,
        "(self.observed - self.prevalence) ** 2",
        "(self.observed - 0.5) ** 2",
    ),
    _mutant("a miss costs one over its cost", _COSTS, "cost * (1 - recall) + ratio", "(1 - recall) / cost + ratio"),
    _mutant(
        "the hull bends the other way",
        _COSTS,
        "> (y[place] - y[a]) * (x[b] - x[a])",
        "< (y[place] - y[a]) * (x[b] - x[a])",
    ),
    _mutant("IoU strictly above the threshold", _DETECTION, "near = iou >= limit\n", "near = iou > limit\n"),
    _mutant(
        "missed objects leave the recall",
        _DETECTION,
        "count = int(positives[column])",
        "count = int((found[0, members] >= 0).sum())",
    ),
    _mutant(
        "a detection of another size counts as false",
        _DETECTION,
        "skipped = on_ignored | ((found < 0) & ((sizes < low) | (sizes > high)))",
        "skipped = on_ignored",
    ),
    _mutant("the union counts the intersection twice", _BOXES, "_areas(second) - shared)", "_areas(second))"),
    _mutant("NMS drops at the threshold too", _BOXES, "~(overlap > iou_threshold)", "~(overlap >= iou_threshold)"),
    _mutant("RoIAlign's half pixel forgotten", _ROI, "(0.5 if aligned else 0.0)", "0.0"),
    _mutant("samples at the left end of their interval", _ROI, "(within.to(start.dtype) + 0.5)", "within"),
    _mutant("samples outside the map keep the border's value", _ROI, "share = inside / per_bin", "share = 1 / per_bin"),
    _mutant("nearest for bilinear", _ROI, "fraction = at - low", "fraction = (at - low).round()"),
    _mutant(
        "a layer's own stride too early",
        _FIELD,
        "(layer.size - 1) * self.stride",
        "(layer.size - 1) * self.stride * layer.stride",
    ),
    _mutant(
        "padding counted in units", _FIELD, "self.padding + layer.padding * self.stride", "self.padding + layer.padding"
    ),
    _mutant(
        "start half a pixel off",
        _FIELD,
        "return (self.size - 1) / 2 - self.padding",
        "return self.size / 2 - self.padding",
    ),
    _mutant(
        "padding rounded down",
        _PROJECTION,
        "before = max(0, math.ceil(axis.start - begin))",
        "before = max(0, math.floor(axis.start - begin))",
    ),
    _mutant("biased running variance", _NORM_LAYER, "variance * (count / (count - 1))", "variance"),
    _mutant(
        "running average of the newest batch alone",
        _NORM_LAYER,
        "1 / self.num_batches_tracked",
        "1 + 0 * self.num_batches_tracked",
    ),
    _mutant(
        "the mean's gradient detached",
        _NORM,
        "(dnormalized - through_mean - through_variance)",
        "(dnormalized - through_variance)",
    ),
    _mutant(
        "the variance's gradient detached",
        _NORM,
        "(dnormalized - through_mean - through_variance)",
        "(dnormalized - through_mean)",
    ),
    _mutant("variance as E[x²] − E[x]²", _NORM, "(centered * centered).mean(over)", "(x * x).mean(over) - mean * mean"),
    _mutant("folding forgets the convolution's bias", _NORM, "conv.bias * scale + shift", "conv.bias + shift"),
    _mutant("a group is every so many channels", _NORMS, "(groups, -1))", "(-1, groups)).transpose(1, 2)"),
    _mutant("the norms divide by n − 1", _NORMS, "correction=0", "correction=1"),
    _mutant("warm-up ends a step late", _SCHEDULES, "step >= warmup_steps:", "step > warmup_steps:"),
    _mutant(
        "the decay restarts from the warm rate",
        _SCHEDULES,
        "            _assign(self.optimizer, self._without_warmup)\n",
        "",
    ),
    _mutant(
        "a resumed schedule leaves the rates alone", _SCHEDULES, "        _assign(self.optimizer, self._last_lr)\n", ""
    ),
    _mutant(
        "one cycle peaks a step late", _SCHEDULES, "peak, last = peak_at * total - 1,", "peak, last = peak_at * total,"
    ),
    _mutant("RAdam divides by the second moment a step early", _SCHEDULES, "if length <= 5:", "if length <= 4:"),
    _mutant("the small steps take the large one's rate", _LIMITS, "rates.flatten() / part)", "rates.flatten() / 1)"),
    _mutant("the limit forgets the momentum", _LIMITS, "level / (2 * (1 + momentum))", "level / 2"),
    _mutant("padding across for padding down", _BORDERS, "return [x, x, y, y]", "return [y, y, x, x]"),
    _mutant("cells beyond the photo count", _BORDERS, "(pixels - missing) // stride", "pixels // stride"),
    _mutant(
        "the crop's cells are looked for at its far corner",
        _BORDERS,
        "y0 // stride, x0 // stride",
        "y1 // stride, x1 // stride",
    ),
    _mutant("untied kernel", _FUSION, "kernel.repeat(1, inputs, 1, 1)", "kernel.repeat_interleave(inputs, 1)"),
    _mutant(
        "doubled, not brought to the finer size",
        _FPN,
        "F.interpolate(level, tuple(size), mode=self.upsampling)",
        "F.interpolate(level, scale_factor=2, mode=self.upsampling)",
    ),
    _mutant("a map of the finer one's size is refused", _FPN, "small <= big for", "small < big for"),
    _mutant("oneDNN gets the narrow strided 1×1", _RESNET, "cin < _NARROW", "cin < 1"),
    _mutant("AVX-512's wider registers are forgotten", _RESNET, "_NARROW = 16", "_NARROW = 8"),
    _mutant("the places between are kept down the columns", _RESNET, "::down, ::across", "::across, ::across"),
    _mutant("nearest for bilinear in the pyramid", _FPN, "mode=self.upsampling)", 'mode="nearest")'),
    _mutant(
        "a dilated stage dilates a block too late",
        _DILATED,
        "dilated[stage] and not number:",
        "dilated[stage] and number == 1:",
    ),
    _mutant("P7 without its ReLU", _EXTRA, "self.p7(F.relu(p6))", "self.p7(p6)"),
    _mutant(
        "the path back up adds after its 3×3",
        _NECKS,
        "smooth(level + F.relu(down(path[-1])))",
        "level + smooth(F.relu(down(path[-1])))",
    ),
    _mutant(
        "BiFPN's middle nodes forget their own map",
        _NECKS,
        "[maps[place], down[place]] if",
        "[down[place], down[place]] if",
    ),
    _mutant("a negative weight counts", _FUSED, "self.weight.relu()", "self.weight"),
    _mutant(
        "attention among maps without its root",
        _WEIGHING,
        "(query * keys).sum(2, keepdim=True) / math.sqrt(query.shape[1])",
        "(query * keys).sum(2, keepdim=True)",
    ),
    _mutant("attention's weights sum to one over who asks", _WEIGHING, ".softmax(2)", ".softmax(1)"),
    _mutant(
        "the stream is normalised over all places",
        _WEIGHING,
        "F.layer_norm(total.movedim(1, 3), total.shape[1:2], eps=eps).movedim(3, 1)",
        "F.layer_norm(total, total.shape[1:], eps=eps)",
    ),
    _mutant("the LSTM's gates in another order", _LSTM, "i, f, g, o = sums", "i, f, o, g = sums"),
    _mutant(
        "the mean runs over absent classes too",
        _SEGMENTATION,
        "hits / (confusion.sum(0) + confusion.sum(1) - hits)",
        "hits / (confusion.sum(0) + confusion.sum(1) - hits).clamp(min=1)",
    ),
    _mutant(
        "rows and columns of the confusion swapped",
        _SEGMENTATION,
        "wanted.astype(np.int64).ravel() * classes + predicted.astype(np.int64).ravel()",
        "predicted.astype(np.int64).ravel() * classes + wanted.astype(np.int64).ravel()",
    ),
    _mutant(
        "the image's border is no boundary",
        _SEGMENTATION,
        "_within_square(mask, reach) == (2 * reach + 1) ** 2",
        "_within_square(~mask, reach) == 0",
    ),
    _mutant(
        "RQ counts false and missed in full",
        _PANOPTIC,
        "self.tp + self.fp / 2 + self.fn / 2",
        "self.tp + self.fp + self.fn",
    ),
    _mutant(
        "the CRF's kernel is normalised on one side", _CRF, "scale * kernel(scale * q)", "scale * scale * kernel(q)"
    ),
    _mutant("the CRF repels what it should draw", _CRF, "alpha=weight", "alpha=-weight"),
    _mutant("the cut's labels swapped", _CUT, "costs[1] - base, costs[0] - base", "costs[0] - base, costs[1] - base"),
    _mutant("Adam's first step without correction", _ENSEMBLE, ".div_(1 - first**step)", ""),
    _mutant("intervals at nine in ten", _CLAIMS, "CONFIDENCE = 0.95", "CONFIDENCE = 0.9"),
    _mutant(
        "a claim holds when the bound lies inside",
        _CLAIMS,
        '"holds" if low > bound else',
        '"holds" if high > bound else',
    ),
    _mutant("PQ counts true void in the union", _PANOPTIC, " - overlap.get((mine, void), 0))", ")"),
    _mutant(
        "PQ punishes a segment on void or a crowd",
        _PANOPTIC,
        "excused / found[mine] <= 0.5",
        "excused / found[mine] <= 1",
    ),
    _mutant(
        "a photo's orientation is ignored",
        ("fpnlib/data/photos.py", ("tests/unit/data/test_photos.py",)),
        "upright = ImageOps.exif_transpose(image)",
        "upright = image",
    ),
    # Wrong measuring functions: what may be asked of another machine must still see them.
    Mutant(
        "a descent forgets its momentum's sign",
        "fpnlib/notes/warmup/experiments/catapult.py",
        "velocity = momentum * velocity + gradient(place)",
        "velocity = gradient(place) - momentum * velocity",
        ("tests/unit/notes/test_warmup_catapult.py",),
    ),
    Mutant(
        "the valley's sharpness without its mixed derivative",
        "fpnlib/notes/warmup/experiments/catapult.py",
        "2 * u * v - 1)",
        "2 * u * v)",
        ("tests/unit/notes/test_warmup_catapult.py",),
    ),
    Mutant(
        "a border that no score counts has its larger half inside",
        "fpnlib/notes/segmentation_difficulties/experiments/contours.py",
        "inner, outer = width // 2, width - width // 2",
        "outer, inner = width // 2, width - width // 2",
        ("tests/unit/notes/test_segmentation_draws.py",),
    ),
    Mutant(
        "a line is a pixel too wide",
        "fpnlib/notes/segmentation_difficulties/experiments/contours.py",
        "(self.outside <= line)",
        "(self.outside <= line + 1)",
        ("tests/unit/notes/test_segmentation_draws.py",),
    ),
    Mutant(
        "a pixel heeds itself",
        "fpnlib/notes/segmentation_difficulties/experiments/draws.py",
        "return total.fill_diagonal_(0).numpy()",
        "return total.numpy()",
        ("tests/unit/notes/test_segmentation_draws.py",),
    ),
    Mutant(
        "a pixel that is drawn anew still speaks for its old label",
        "fpnlib/notes/segmentation_difficulties/experiments/draws.py",
        "                words[before] -= tied[pixel]\n",
        "",
        ("tests/unit/notes/test_segmentation_draws.py",),
    ),
    Mutant(
        "a tuned result is asked for a frozen one's first steps",
        "fpnlib/claims/again.py",
        "claim.recheck(stored.seeds[:1], fine_tune=True)",
        "claim.recheck(stored.seeds[:1])",
        ("tests/unit/claims/test_ledger.py",),
    ),
    Mutant(
        "the curves that are kept are the equal areas' too",
        "fpnlib/notes/warmup/experiments/rates.py",
        "keep(optimizer, result.losses[:, : -len(rates)])",
        "keep(optimizer, result.losses[:, len(rates) :])",
        ("tests/unit/notes/test_warmup_room.py",),
    ),
    _mutant("a box may cover another class", _MOVED, 'target["boxes"]) * same)', 'target["boxes"]))'),
    _mutant("a ReLU that lets zero through speaks", _SILENCE, "(net[:-1](x) > 0)", "(net[:-1](x) >= 0)"),
    _mutant(
        "the frozen verdict in the learning backbone's place", _SHOWN, "_part(row.tuned, name)", "_part(result, name)"
    ),
    _mutant("parts that differ are not shown", _CLAIMS, 'else "depends", parts', 'else "not shown", parts'),
    Mutant(
        "small answers wait for the page's word",
        "fpnlib/lab.py",
        "set_nodelay(True)",
        "set_nodelay(False)",
        ("tests/unit/house/test_lab.py",),
    ),
    _measured(
        "AC-1",
        "add_vs_concat/experiments/identities.py",
        "nudged.weight[0, 0, 0, 0] += 0.01",
        "nudged.weight[0, 0, 0, 0] += 0.02",
    ),
    _measured(
        "AC-6",
        "add_vs_concat/experiments/counts.py",
        '{key}_macs": counted.macs / 1e9',
        '{key}_macs": counted.parameters / 1e9',
    ),
    _measured(
        "AC-8",
        "add_vs_concat/experiments/gradients.py",
        "(decades - decades[0])[1:].tolist()",
        "(decades - decades[1])[1:].tolist()",
    ),
    _measured(
        "AC-9",
        "add_vs_concat/experiments/gradients.py",
        "for f in FORGETS] if name",
        "for f in reversed(FORGETS)] if name",
    ),
    _measured(
        "BN-3",
        "batch_norm/experiments/scale_and_bias.py",
        "off(scale * scaled_gradient, by_weight)",
        "off(scaled_gradient, by_weight)",
    ),
    _measured(
        "FP-2",
        "fpn/experiments/recipe.py",
        "np.arange(fine) * coarse // fine",
        "(np.arange(fine) * coarse + 1) // fine",
    ),
    _measured(
        "PD-1",
        "padding/experiments/projected_rois.py",
        "(end - begin) / axis.stride) > EXACT",
        "(end - begin + 1) / axis.stride) > EXACT",
    ),
    _measured(
        "PR-4", "precision_recall/experiments/detector.py", "_hits(found, labels, 0.75)", "_hits(found, labels, 0.7)"
    ),
    _measured(
        "SD-4",
        "segmentation_difficulties/experiments/boxes.py",
        "100 * one.box_iou < low + 10",
        "100 * one.box_iou < low + 20",
    ),
    _measured(
        "SD-10",
        "segmentation_difficulties/experiments/regions.py",
        "_allows(as_many_squares(regions), wanted)",
        "_allows(regions, wanted)",
    ),
    _measured(
        "WU-3",
        "warmup/experiments/rates.py",
        "gain = errors[WAYS.index(worse)] - errors[WAYS.index(better)]",
        "gain = errors[WAYS.index(better)] - errors[WAYS.index(worse)]",
    ),
    _measured(
        "SH-1",
        "segmentation_head/experiments/last_layer.py",
        '"head": head(name, norm)',
        '"head": head(name, not norm)',
    ),
)
