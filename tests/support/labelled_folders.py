"""Folders in the official layouts of PASCAL VOC 2012 and COCO 2017, as small as they can be."""

import json
from pathlib import Path

import numpy as np
from PIL import Image
from pycocotools import mask as codes

SIZES = ((80, 96), (72, 100), (96, 80), (80, 96))  # height, width
VOID = 255
PERSON, CAT = 15, 8  # VOC's


def drawn(number, height, width):
    """A photo with a person and a cat that touch: image, classes and instances, without a border."""
    rows, columns = np.mgrid[:height, :width]
    instances = np.zeros((height, width), np.uint8)
    instances[12 : height - 14, 14 + number : 44] = 1
    instances[(rows - height / 2) ** 2 + (columns - 58) ** 2 < (16 + number) ** 2] = 2
    classes = np.array([0, PERSON, CAT], np.uint8)[instances]
    colours = np.array([[60, 90, 140], [200, 150, 120], [150, 140, 40]])[instances]
    noise = np.random.default_rng(number).normal(0, 6, (height, width, 1))
    return (colours + noise).clip(0, 255).astype(np.uint8), classes, instances


def bordered(numbers, instances):
    """Label maps with VOC's void border: five pixels wide, two inside an object and three around it."""
    padded = np.pad(instances, 3, mode="edge").astype(int)
    near = {
        reach: np.any(
            [
                padded[3 + y : 3 + y + len(instances), 3 + x : 3 + x + instances.shape[1]] != instances
                for y in range(-reach, reach + 1)
                for x in range(-reach, reach + 1)
            ],
            axis=0,
        )
        for reach in (2, 3)
    }
    return np.where(np.where(instances > 0, near[2], near[3]), VOID, numbers).astype(np.uint8)


def palette(maps):
    """A label map's PNG as VOC's: the numbers are places in a palette."""
    image = Image.fromarray(maps, "L")
    image.putpalette([(37 * i + 11 * channel) % 256 for i in range(256) for channel in range(3)])
    return image


def voc_folder(root: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Write VOC2012/ and return the label maps by name, as they were written."""
    for part in ("JPEGImages", "SegmentationClass", "SegmentationObject", "ImageSets/Segmentation"):
        (root / part).mkdir(parents=True)
    written = {}
    for number, (height, width) in enumerate(SIZES):
        name = f"2007_{number:06}"
        image, classes, instances = drawn(number, height, width)
        maps = [bordered(numbers, instances) for numbers in (classes, instances)]
        for numbers in maps:
            numbers[2:18, width - 20 : width - 2] = VOID  # a hard object, void as a whole
        Image.fromarray(image).save(root / f"JPEGImages/{name}.jpg")
        for kind, numbers in zip(("Class", "Object"), maps, strict=True):
            palette(numbers).save(root / f"Segmentation{kind}/{name}.png")
        written[name] = tuple(maps)
    (root / "ImageSets/Segmentation/val.txt").write_text("\n".join(written) + "\n")
    (root / "ImageSets/Segmentation/train.txt").write_text("2007_000001\n2007_000003\n")
    return written


def coco_folder(root: Path) -> dict:
    """Write val2017/ and annotations/instances_val2017.json, and return the annotations."""
    (root / "val2017").mkdir(parents=True)
    (root / "annotations").mkdir()
    images, entries = [], []

    def add(image, category, segmentation, crowd=0):
        entry = {"id": len(entries) + 1, "image_id": image, "category_id": category, "iscrowd": crowd}
        entries.append(entry | {"segmentation": segmentation, "area": 1.0, "bbox": [0, 0, 1, 1]})

    for number, (height, width) in enumerate((*SIZES, (40, 40), (40, 40))):
        image, _, instances = drawn(number, height, width)
        name = f"{900 - number:012}.jpg"
        Image.fromarray(image).save(root / "val2017" / name)
        images.append({"id": 900 - number, "file_name": name, "height": height, "width": width})
        crowd = np.zeros((height, width), bool, order="F")
        crowd[4:34, width - 38 : width - 4] = True
        code = codes.encode(crowd.astype(np.uint8, order="F"))
        if number < len(SIZES):
            corners = [14 + number, 12, 44, 12, 44, height - 14, 14 + number, height - 14]
            add(900 - number, 1, [corners, [2, 2, 9, 2, 5.5, 9]])  # a person in two parts
            add(900 - number, 90, runs(instances == 2))
            add(900 - number, 18, [[20.5, 20.5, 36.25, 22, 30, 40]])  # a dog before the person
        if number < len(SIZES) - 1 or number == len(SIZES):
            # Crowds are written as plain counts, and some tools pack them.
            packed = {"size": code["size"], "counts": code["counts"].decode()}
            add(900 - number, 1, packed if number % 2 else runs(crowd), 1)
    categories = [{"id": number, "name": name} for number, name in ((90, "toothbrush"), (1, "person"), (18, "dog"))]
    content = {"images": images, "annotations": entries[::-1], "categories": categories}
    (root / "annotations/instances_val2017.json").write_text(json.dumps(content))
    return content


def runs(mask):
    """A mask's run-length code, not compressed: column by column, zeros first."""
    flat = mask.flatten(order="F").astype(int)
    ends = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *ends, flat.size]).tolist()
    return {"size": list(mask.shape), "counts": ([0] if flat[0] else []) + counts}
