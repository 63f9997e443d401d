"""The small detector: what its cells mean, which object each answers for, its losses, and AP by size."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from support.coco import coco_evaluation, coco_means

from fpnlib.data.scenes import SCENE_CLASSES, VALIDATION_SEEDS, scene, scene_batch
from fpnlib.metrics import detection_average_precision
from fpnlib.models.assignment import pyramid_level
from fpnlib.models.detector import (
    AREA_RANGES,
    CANONICAL_SIZE,
    Detector,
    Predictions,
    assign,
    best_of_overlapping,
    cells_of,
    detection_loss,
    detection_targets,
    focal_loss,
    giou,
    iou_of_pairs,
    trained_detectors,
)
from fpnlib.ops import box_iou, nms

SIZES = ((32, 32), (16, 16), (8, 8), (4, 4))
CELLS = cells_of(SIZES, (2, 3, 4, 5))


def random_boxes(count, seed=0, most=100.0):
    generator = torch.Generator().manual_seed(seed)
    corner, side = 60 * torch.rand(count, 2, generator=generator), 4 + most * torch.rand(count, 2, generator=generator)
    return torch.cat((corner, corner + side), 1)


def test_cells_cover_the_picture_once_on_each_level():
    assert len(CELLS.centre) == 32**2 + 16**2 + 8**2 + 4**2
    for level, (rows, columns) in zip((2, 3, 4, 5), SIZES, strict=True):
        mine = CELLS.centre[CELLS.level == level]
        assert mine[0].tolist() == [2 ** (level - 1)] * 2
        assert mine[1].tolist() == [2 ** (level - 1) + 2**level, 2 ** (level - 1)]  # row by row
        assert mine[-1].tolist() == [128 - 2 ** (level - 1)] * 2
        assert len(mine.unique(dim=0)) == rows * columns
        assert (CELLS.stride[CELLS.level == level] == 2**level).all()


def test_a_cell_says_its_box_from_its_centre_and_stride():
    detector = Detector(width=2, channels=4).eval()
    torch.nn.init.zeros_(detector.heads.weight)
    detector.heads.bias.data[-5:] = torch.tensor([0.5, -0.25, np.log(2.0), 0.0, 3.0])
    said = detector(torch.rand(1, 3, 128, 128))
    centre = CELLS.centre + CELLS.stride[:, None] * torch.tensor([0.5, -0.25])
    half = CELLS.stride[:, None] * torch.tensor([2.0, 1.0])
    torch.testing.assert_close(said.boxes[0], torch.cat((centre - half, centre + half), 1))
    assert (said.quality == 3).all()
    # At the start a cell holds an object of a class with probability 1 %.
    torch.testing.assert_close(said.logits.sigmoid(), torch.full_like(said.logits, 0.01))


def test_every_object_has_a_cell_of_its_level_unless_a_smaller_one_took_it():
    for seed in range(30):
        boxes = scene(seed).boxes
        owner = assign(CELLS, [boxes])[0]
        level = pyramid_level(boxes, canonical_size=CANONICAL_SIZE)
        area = (boxes[:, 2:] - boxes[:, :2]).prod(1)
        for number, box in enumerate(boxes):
            centre = (box[:2] + box[2:]) / 2
            mine = owner == number
            assert (CELLS.level[mine] == level[number]).all()
            near = (CELLS.centre[mine] - centre).abs().amax(1) < CELLS.stride[mine]
            assert near.all()
            stride = 2.0 ** level[number]
            home = (CELLS.level == level[number]) & ((CELLS.centre // stride) == (centre // stride)).all(1)
            assert home.sum() == 1
            assert mine[home] or area[owner[home]] <= area[number]


@given(st.integers(0, 10**6))
@settings(max_examples=30)
def test_the_smaller_of_two_objects_gets_a_contested_cell(seed):
    whole = torch.tensor([[30.0, 30.0, 44.0, 44.0], [34.0, 34.0, 41.0, 41.0]])
    order = torch.randperm(2, generator=torch.Generator().manual_seed(seed))
    owner = assign(CELLS, [whole[order]])[0]
    cell = ((CELLS.centre == torch.tensor([38.0, 38.0])).all(1) & (CELLS.level == 2)).nonzero()[0]
    assert owner[cell] == order.argsort()[1]


def test_images_of_a_batch_do_not_mix():
    boxes = [random_boxes(3, 1), torch.zeros(0, 4), random_boxes(5, 2)]
    together = assign(CELLS, boxes)
    assert (together[1] == -1).all()
    first, last = assign(CELLS, boxes[:1])[0], assign(CELLS, boxes[2:])[0]
    assert torch.equal(together[0], first)
    assert torch.equal(together[2], torch.where(last >= 0, last + 3, last))


def test_overlap_of_pairs_is_the_diagonal_of_all_pairs():
    first, second = random_boxes(50, 1), random_boxes(50, 2)
    torch.testing.assert_close(iou_of_pairs(first, second), box_iou(first, second).diagonal())


def test_giou_is_iou_in_a_tight_frame_and_falls_with_distance():
    box = torch.tensor([[0.0, 0.0, 10.0, 10.0]])
    assert giou(box, box).item() == pytest.approx(1)
    assert giou(box, box + torch.tensor([5.0, 0, 5, 0])).item() == pytest.approx(1 / 3)
    # Apart by 10: the frame is 30 × 10, a third of it empty.
    assert giou(box, box + torch.tensor([20.0, 0, 20, 0])).item() == pytest.approx(-1 / 3)
    near, far = (giou(box, box + torch.tensor([d, 0, d, 0])).item() for d in (20.0, 50.0))
    assert far < near


def test_focal_loss_is_weighted_cross_entropy():
    logits = torch.tensor([2.0, -1.0, 0.0], dtype=torch.float64)
    target = torch.tensor([1.0, 0.0, 1.0], dtype=torch.float64)
    p = 1 / (1 + np.exp(-logits.numpy()))
    by_hand = -0.25 * (1 - p[0]) ** 2 * np.log(p[0])
    by_hand -= 0.75 * p[1] ** 2 * np.log(1 - p[1])
    by_hand -= 0.25 * (1 - p[2]) ** 2 * np.log(p[2])
    assert focal_loss(logits, target).item() == pytest.approx(by_hand)


def test_the_loss_is_smallest_for_the_truth():
    made = [scene(seed) for seed in (1, 2)]
    boxes, classes = [one.boxes for one in made], [one.classes for one in made]
    owner = assign(CELLS, boxes)
    every, labels = torch.cat(boxes), torch.cat(classes) - 1
    logits = torch.full((2, len(CELLS.centre), 6), -20.0)
    said = torch.zeros(2, len(CELLS.centre), 4)
    said[owner >= 0] = every[owner[owner >= 0]]
    image, cell = (owner >= 0).nonzero(as_tuple=True)
    logits[image, cell, labels[owner[image, cell]]] = 20.0
    perfect = detection_loss(Predictions(logits, said, torch.full(owner.shape, 20.0)), owner, boxes, classes)
    assert perfect.item() == pytest.approx(0, abs=1e-4)
    moved = detection_loss(Predictions(logits, said + 2, torch.full(owner.shape, 20.0)), owner, boxes, classes)
    doubtful = detection_loss(Predictions(logits, said, torch.zeros(owner.shape)), owner, boxes, classes)
    wrong = detection_loss(Predictions(logits.roll(1, 2), said, torch.full(owner.shape, 20.0)), owner, boxes, classes)
    assert min(moved, doubtful, wrong) > 0.1


def test_a_batch_without_objects_has_a_loss():
    empty = [torch.zeros(0, 4)], [torch.zeros(0, dtype=torch.int64)]
    detector = Detector(width=2, channels=4)
    loss = detection_loss(detector(torch.rand(1, 3, 128, 128)), assign(CELLS, empty[0]), *empty)
    loss.backward()
    assert loss.isfinite()


@given(st.integers(0, 10**6), st.integers(1, 40), st.sampled_from([0.0, 0.3, 0.6, 1.0]))
@settings(max_examples=40)
def test_suppression_of_all_images_at_once_equals_nms(seed, count, threshold):
    boxes = torch.stack([random_boxes(count, seed, 40.0), random_boxes(count, seed + 1, 40.0)])
    keep = best_of_overlapping(boxes, threshold)
    scores = torch.arange(count, 0, -1).float()
    for one, kept in zip(boxes, keep, strict=True):
        assert torch.equal(kept.nonzero()[:, 0], nms(one, scores, threshold))


@pytest.fixture(scope="module")
def found():
    batch = scene_batch(VALIDATION_SEEDS[:24])
    return batch, Detector.pretrained("full").detect(batch.images)


def test_detections_are_sorted_cut_and_apart(found):
    for one in found[1]:
        assert (one["scores"].diff() <= 0).all()
        assert one["boxes"].min() >= 0
        assert one["boxes"].max() <= 128
        assert set(one["labels"].tolist()) <= set(range(1, len(SCENE_CLASSES)))
        assert len(one["boxes"]) <= 100
        same = (one["labels"][:, None] == one["labels"]) & ~torch.eye(len(one["labels"]), dtype=torch.bool)
        assert (box_iou(one["boxes"], one["boxes"])[same] <= 0.6 + 1e-6).all()


def test_a_higher_threshold_keeps_the_best(found):
    fewer = Detector.pretrained("full").detect(found[0].images, score_threshold=0.3)
    for few, many in zip(fewer, found[1], strict=True):
        expected = many["scores"] > 0.3
        torch.testing.assert_close(few["boxes"], many["boxes"][expected])


@pytest.mark.parametrize("size", [None, *AREA_RANGES])
def test_ap_and_ar_by_size_equal_pycocotools_on_real_detections(found, size):
    batch, predictions = found
    targets = detection_targets(batch.boxes, batch.classes)
    area_range = None if size is None else AREA_RANGES[size]
    ours = detection_average_precision(predictions, targets, area_range=area_range)

    def entry(image, box, label, **more):
        x0, y0, x1, y1 = (float(value) for value in box)
        return {"image_id": image, "category_id": int(label), "bbox": [x0, y0, x1 - x0, y1 - y0], **more}

    annotations, results = [], []
    for image, (wanted, said) in enumerate(zip(targets, predictions, strict=True)):
        for box, label in zip(wanted["boxes"], wanted["labels"], strict=True):
            area = float((box[2:] - box[:2]).prod())
            annotations.append(entry(image, box, label, id=len(annotations) + 1, area=area, iscrowd=0))
        for box, label, value in zip(said["boxes"], said["labels"], said["scores"], strict=True):
            results.append(entry(image, box, label, score=float(value)))
    categories = [{"id": label, "name": SCENE_CLASSES[label]} for label in range(1, len(SCENE_CLASSES))]
    images = [{"id": image} for image in range(len(targets))]
    truth = {"images": images, "annotations": annotations, "categories": categories}
    ap, recall = coco_means(coco_evaluation(truth, results, area_range=area_range))
    np.testing.assert_allclose(ours.values.numpy(), ap, atol=1e-12)
    np.testing.assert_allclose(ours.max_recall.numpy(), recall, atol=1e-12)
    assert ours.mean > 0.05


def test_the_detector_finds_objects_at_other_sizes_of_picture():
    made = scene(VALIDATION_SEEDS[3], size=256)
    (found_here,) = Detector.pretrained("scenes").detect(made.image[None].float() / 255, score_threshold=0.3)
    overlap = box_iou(found_here["boxes"], made.boxes)
    assert overlap.max() > 0.6


@pytest.mark.parametrize("features", ["pyramid", "C4", "C5"])
def test_save_and_load_give_the_same_answers(features, tmp_path):
    detector = Detector(width=4, channels=8, features=features).eval()
    detector.load_state_dict({name: value.half().to(value.dtype) for name, value in detector.state_dict().items()})
    detector.save(tmp_path / "net.safetensors")
    again = Detector.load(tmp_path / "net.safetensors")
    images = torch.rand(2, 3, 96, 128)
    assert torch.equal(again(images).boxes, detector(images).boxes)
    assert torch.equal(again(images).logits, detector(images).logits)
    assert again.options == detector.options
    assert not any(parameter.requires_grad for parameter in again.parameters())


def test_trained_detectors_are_small_files():
    from fpnlib.models.detector import WEIGHTS

    assert set(trained_detectors()) >= {"scenes", "full", "no_top_down", "no_lateral", "no_smooth", "c4", "c5"}
    sizes = {name: (WEIGHTS / f"detector-{name}.safetensors").stat().st_size for name in trained_detectors()}
    assert sum(sizes.values()) < 2.2e6
    assert 200_000 < sum(p.numel() for p in Detector.pretrained("scenes").parameters()) < 400_000


@pytest.mark.bad_input
def test_bad_input(tmp_path):
    with pytest.raises(ValueError, match="num_classes: got 0, allowed: at least 1"):
        Detector(0)
    with pytest.raises(ValueError, match="features: got 'C3', allowed: 'pyramid', 'C4', 'C5'"):
        Detector(features="C3")
    with pytest.raises(ValueError, match=r"pyramid: got .*, allowed: options only with features='pyramid'"):
        Detector(features="C4", pyramid={"smooth": False})
    with pytest.raises(ValueError, match=r"x: got shape \(1, 1, 64, 64\), allowed: \(N, 3, H, W\)"):
        Detector(width=2, channels=4)(torch.rand(1, 1, 64, 64))
    with pytest.raises(ValueError, match=r"name: got 'coco', allowed: .*'scenes'"):
        Detector.pretrained("coco")
    save_file({"a": torch.zeros(1)}, tmp_path / "foreign.safetensors")
    (tmp_path / "broken.safetensors").write_bytes(b"no")
    for name in ("foreign", "broken", "missing"):
        with pytest.raises(ValueError, match=rf"path: cannot read .*{name}.* as a detector"):
            Detector.load(tmp_path / f"{name}.safetensors")


def test_a_detector_of_given_maps_is_kept_and_read(tmp_path):
    made = Detector(3, channels=4, in_channels=(2, 3, 4, 5)).eval()
    assert not any(name.startswith("backbone") for name in made.state_dict())
    made.save(tmp_path / "maps.safetensors")
    again = Detector.load(tmp_path / "maps.safetensors")
    maps = [torch.randn(1, channels, 16 >> k, 16 >> k) for k, channels in enumerate((2, 3, 4, 5))]
    torch.testing.assert_close(again(maps).logits, made(maps).logits, rtol=1e-2, atol=1e-2)
    (found,) = again.detect(maps, score_threshold=0.0)
    assert (found["boxes"] <= 64).all(), "maps of stride 4 and 16 cells: a picture of 64 pixels"
    assert (found["boxes"][:, 2:] > 32).any()
