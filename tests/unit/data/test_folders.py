"""Folders of PASCAL VOC and COCO in the official layout: read pixel by pixel, and refused by name."""

import contextlib
import io
import json
import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools.coco import COCO
from support import labelled_folders

from fpnlib.data.coco import coco_photos
from fpnlib.data.folders import labelled_folder
from fpnlib.data.voc import VOC_CLASSES, VOID, voc_photos


@pytest.fixture
def voc(tmp_path):
    root = tmp_path / "VOCdevkit" / "VOC2012"
    return root, labelled_folders.voc_folder(root)


@pytest.fixture
def coco(tmp_path):
    root = tmp_path / "coco"
    return root, labelled_folders.coco_folder(root)


def test_vocs_maps_come_as_they_were_written(voc):
    root, written = voc
    photos = voc_photos(root)
    assert [(photo.name, photo.number) for photo in photos] == [(name, i) for i, name in enumerate(written)]
    for photo in photos:
        maps = photo.read()
        classes, instances = written[photo.name]
        assert (maps.classes.numpy() == classes).all()
        assert (maps.instances.numpy() == instances).all()
        assert maps.image.shape == (*classes.shape, 3)
        assert {VOC_CLASSES[c] for c in maps.classes.unique() if c != VOID} == {"background", "person", "cat"}
        assert (maps.classes == VOID).sum() > 18 * 16  # the hard object and the borders
        assert np.abs(maps.image[30, 4].astype(int) - [60, 90, 140]).max() < 40


def test_what_one_map_leaves_open_is_void(voc):
    root, written = voc
    classes, instances = (numbers.copy() for numbers in written["2007_000000"])
    classes[0, :3], instances[0, :3] = (VOID, 0, 3), (0, VOID, 0)
    for kind, numbers in (("Class", classes), ("Object", instances)):
        labelled_folders.palette(numbers).save(root / f"Segmentation{kind}/2007_000000.png")
    maps = voc_photos(root)[0].read()
    assert maps.classes[0, :4].tolist() == maps.instances[0, :4].tolist() == [VOID, VOID, VOID, 0]


def test_another_list_names_other_photos(voc):
    assert [photo.name for photo in voc_photos(voc[0], "train")] == ["2007_000001", "2007_000003"]


@pytest.mark.filterwarnings("ignore:__array__ implementation")
def test_cocos_objects_are_pycocotools_and_the_smaller_lies_in_front(coco):
    root, content = coco
    with contextlib.redirect_stdout(io.StringIO()):
        reference = COCO(root / "annotations/instances_val2017.json")
    photos = coco_photos(root)
    # By id; the photo without an object and that with a crowd only are passed over.
    assert [photo.name for photo in photos] == [f"{number:012}" for number in (897, 898, 899, 900)]
    places = {1: 1, 18: 2, 90: 3}
    for photo in photos:
        entries = [entry for entry in content["annotations"] if entry["image_id"] == int(photo.name)]
        masks = [reference.annToMask(entry).astype(bool) for entry in entries]
        maps = photo.read()
        wanted = np.zeros(masks[0].shape, int)
        owner = np.zeros(masks[0].shape, int)
        for y, x in np.ndindex(*wanted.shape):
            covering = [i for i, mask in enumerate(masks) if mask[y, x]]
            single = [i for i in covering if not entries[i]["iscrowd"]]
            if single:
                front = min(single, key=lambda i: masks[i].sum())
                wanted[y, x], owner[y, x] = places[entries[front]["category_id"]], front + 1
            elif covering:
                wanted[y, x] = owner[y, x] = VOID
        assert (maps.classes.numpy() == wanted).all()
        assert (maps.instances.numpy() == owner).all()
        assert ((wanted == VOID).sum() > 0) == any(entry["iscrowd"] for entry in entries)
        assert maps.image.shape == (*wanted.shape, 3)


def test_a_polygon_and_a_code_cover_the_pixels_one_would_say(coco):
    maps = coco_photos(coco[0])[-1].read()  # the photo with id 900, drawn first
    _, _, instances = labelled_folders.drawn(0, *labelled_folders.SIZES[0])
    assert ((maps.classes == 3).numpy() == (instances == 2)).all()
    person = np.zeros_like(instances, bool)
    person[12:66, 14:44] = True
    seen = person & (instances != 2) & (maps.classes != 2).numpy()
    assert (maps.classes == 1).numpy()[12:].tolist() == seen[12:].tolist()
    assert maps.classes[3, 5] == 1  # its other part
    assert maps.classes[24, 27] == 2  # the dog before it
    assert maps.classes[5, 96 - 30] == VOID


def test_no_object_is_numbered_as_void(coco):
    root, content = coco
    many = [
        dict(content["annotations"][-1], id=1000 + i, segmentation=[[i % 90, 0, i % 90 + 1, 0, i % 90, 2]])
        for i in range(300)
    ]
    content["annotations"] = many
    (root / "annotations/instances_val2017.json").write_text(json.dumps(content))
    (photo,) = coco_photos(root)
    numbers = photo.read().instances.unique()
    assert VOID not in numbers
    assert numbers.max() > VOID


@pytest.mark.parametrize("kind", ["voc", "coco"])
def test_a_sample_is_drawn_once_and_grows(kind, tmp_path):
    getattr(labelled_folders, f"{kind}_folder")(tmp_path / kind)
    two, three, every = (labelled_folder(kind, tmp_path / kind, count=count) for count in (2, 3, 0))
    names = [[photo.name for photo in folder.photos] for folder in (two, three, every)]
    assert list(map(len, names)) == [2, 3, 4]
    assert set(names[0]) < set(names[1]) < set(names[2])
    assert names[2] == sorted(names[2])
    assert (two.of, two.kind, two.split) == (4, kind, {"voc": "val", "coco": "val2017"}[kind])
    sent = pickle.loads(pickle.dumps(two.photos[1]))
    assert torch.equal(sent.read().classes, two.photos[1].read().classes)


def lose(file):
    def loses(root):
        (root / file).unlink()

    return loses


def change(file, write):
    def changes(root):
        write(root / file)

    return changes


def larger(path):
    labelled_folders.palette(np.zeros((81, 96), np.uint8)).save(path)


def of_class(number):
    return lambda path: labelled_folders.palette(np.full((80, 96), number, np.uint8)).save(path)


NAME = "2007_000000"


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda root: root.rename(root.with_name("gone")), r"data: got .*VOC2012, allowed: a folder that is there"),
        (lambda root: (root / "JPEGImages").rename(root / "x"), r"folder: got .*VOC2012 without JPEGImages/"),
        (lose("ImageSets/Segmentation/val.txt"), r"split: got 'val', allowed: a list in .*Segmentation: train"),
        (lose(f"SegmentationObject/{NAME}.png"), rf"split: got {NAME} in val.txt, but no .*Object/{NAME}.png"),
        (lose(f"JPEGImages/{NAME}.jpg"), rf"split: got {NAME} in val.txt, but no .*JPEGImages/{NAME}.jpg"),
        (
            change("ImageSets/Segmentation/val.txt", lambda p: p.write_text("\n")),
            r"split: got .*val.txt, which is empty",
        ),
        (
            change(f"SegmentationClass/{NAME}.png", larger),
            rf"Class/{NAME}.png: got \(81, 96\), allowed: \(80, 96\), as",
        ),
        (change(f"SegmentationClass/{NAME}.png", of_class(21)), r"got classes \[21\], allowed: 0 to 20, or 255"),
        (
            change(f"SegmentationClass/{NAME}.png", lambda p: p.write_bytes(p.read_bytes()[:90])),
            rf"file: cannot read .*{NAME}.png",
        ),
        (change(f"JPEGImages/{NAME}.jpg", lambda p: p.write_text("x")), rf"file: cannot read .*{NAME}.jpg as an image"),
    ],
)
@pytest.mark.bad_input
def test_a_voc_folder_that_is_not_whole_is_refused(voc, harm, message):
    harm(voc[0])
    with pytest.raises(ValueError, match=message):
        labelled_folder("voc", voc[0]).photos[0].read()


def spoil(**changes):
    """Change one annotation of the first photo by id, or the file's lists."""

    def spoils(root):
        file = root / "annotations/instances_val2017.json"
        content = json.loads(file.read_text())
        first = next(entry for entry in content["annotations"] if entry["image_id"] == 897 and not entry["iscrowd"])
        for key, value in changes.items():
            if key in content:
                content[key] = value
            elif value is None:
                del first[key]
            else:
                first[key] = value
        file.write_text(json.dumps(content))

    return spoils


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (
            lose("annotations/instances_val2017.json"),
            r"folder: got .*coco, split 'val2017', allowed: one with annotations",
        ),
        (lambda root: (root / "val2017").rename(root / "x"), r"folder: got .*coco without val2017/"),
        (
            lose("val2017/000000000897.jpg"),
            r"folder: got instances_val2017.json names .*000000000897.jpg, which is not",
        ),
        (spoil(category_id=7), r"annotations\[\d+\]: category_id: got 7, allowed: an id"),
        (spoil(image_id=7), r"annotations\[\d+\]: image_id: got 7, allowed: an id"),
        (spoil(segmentation=None), r"annotations\[\d+\]: got the keys .*, allowed: one named 'segmentation' too"),
        (spoil(segmentation=[]), r"000000000897.jpg, object \d: got \[\], allowed: polygons of three corners"),
        (
            spoil(segmentation=[[1, 2, 3, 4]]),
            r"000000000897.jpg, object \d: got .*, allowed: polygons of three corners",
        ),
        (
            spoil(segmentation={"size": [96, 80], "counts": [7680]}),
            r"got a code of size \[96, 80\], allowed: counts, and",
        ),
        (
            spoil(segmentation={"size": [80, 96], "counts": [7]}),
            r"got counts of another sum, allowed: 7680, all pixels",
        ),
        (spoil(annotations=[]), r"folder: got .*json without an outlined object"),
        (spoil(images=[{"id": 897}], annotations=[]), r"folder: got .*json without an outlined object"),
        (change("annotations/instances_val2017.json", lambda p: p.write_text("{")), r"json: got no JSON"),
        (
            change("val2017/000000000897.jpg", lambda p: Image.new("RGB", (9, 9)).save(p)),
            r"000000000897.jpg: got \(9, 9\), allowed: \(80, 96\), as annotated",
        ),
    ],
)
@pytest.mark.bad_input
def test_a_coco_folder_that_is_not_whole_is_refused(coco, harm, message):
    harm(coco[0])
    with pytest.raises(ValueError, match=message):
        labelled_folder("coco", coco[0]).photos[0].read()


@pytest.mark.bad_input
def test_another_kind_is_refused(tmp_path):
    with pytest.raises(ValueError, match="data: got 'cityscapes', allowed: 'voc', 'coco'"):
        labelled_folder("cityscapes", tmp_path)
    with pytest.raises(ValueError, match="photos: got -1, allowed: 0 for all"):
        labelled_folder("voc", tmp_path, count=-1)
