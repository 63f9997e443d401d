"""Claims measured on the reader's own photos: by the same functions, stored apart, and shown in the ledger."""

import dataclasses
import functools
import shutil

import numpy as np
import pytest
import torch
from support import labelled_folders

from fpnlib.claims import Claim, Measurement, OnPhotos, Result, Row, Said, all_claims, compute, exceeds, show, store
from fpnlib.claims.__main__ import main
from fpnlib.data.folders import LabelledFolder, labelled_folder
from fpnlib.data.voc import VOID, LabelledMaps, UnreadPhoto
from fpnlib.metrics import mean_iou
from fpnlib.notes.segmentation_difficulties.experiments import weak_labels
from fpnlib.notes.segmentation_difficulties.experiments.masks import lines_off, void_border, with_border
from fpnlib.notes.segmentation_difficulties.experiments.photos import contours

IDS = ["SD-10", "SD-3", "SD-4", "SD-6", "SD-7", "SD-9"]
SEEN = []


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    SEEN.clear()
    kept = store.RESULTS
    monkeypatch.setattr(store, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(store, "PARTIAL", tmp_path / "results/.partial")
    return kept


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    labelled_folders.voc_folder(root / "voc")
    labelled_folders.coco_folder(root / "coco")
    return root


def test_those_that_take_photos():
    assert sorted(claim.id for claim in store.named([], on_photos=True)) == IDS


@pytest.mark.parametrize("kind", ["voc", "coco"])
@pytest.mark.parametrize("id", IDS)
def test_each_is_measured_on_a_folder_and_judged_by_its_bounds(folders, kind, id, monkeypatch):
    monkeypatch.setattr(weak_labels, "METHODS", weak_labels.METHODS[:-1])  # the CRF takes long, and no part asks for it
    claim = all_claims()[id]
    result = compute(claim, data=labelled_folder(kind, folders / kind, count=2))
    assert result.measurement.n >= 2
    assert np.isfinite(list(result.measurement.numbers.values())).all()
    assert result.data == {"kind": kind, "split": {"voc": "val", "coco": "val2017"}[kind], "photos": 2, "of": 4}
    judged = claim.on_photos()
    assert result.criteria == judged.criteria()
    assert result.parts.keys() == judged.parts.keys()
    bounds = {criterion.because for criterion in claim.parts.values()}
    assert {criterion.because for criterion in judged.parts.values()} <= bounds
    assert result == dataclasses.replace(result.judged_again(claim), date=result.date)


def test_a_line_costs_what_the_metric_says(folders):
    folder = labelled_folder("voc", folders / "voc")
    numbers = compute(all_claims()["SD-7"], data=folder).measurement.numbers
    photos = [contours(photo.read()) for photo in folder.photos]
    for width in (0, 2):
        truth = [with_border(known.classes, known.instances, width) for known in photos]
        each = []
        for sign, kind in ((1, "grown"), (-1, "shrunk")):
            wrong = [lines_off(known.classes, sign) for known in photos]
            each += [1 - mean_iou([w], [t], 21, ignore_index=VOID) for w, t in zip(wrong, truth, strict=True)]
            whole = 1 - mean_iou(wrong, truth, 21, ignore_index=VOID)
            assert numbers[f"dataset_{kind}_1_void_{width}"] == pytest.approx(whole, abs=1e-12)
        assert numbers[f"line_1_void_{width}"] == pytest.approx(np.mean(each), abs=1e-12)
    assert numbers["line_1_void_0"] > 0.01
    assert numbers["line_1_void_5"] == 0


def test_contours_run_in_the_middle_of_the_border_and_areas_stay_void(folders):
    for number, photo in enumerate(labelled_folder("voc", folders / "voc").photos):
        known = contours(photo.read())
        _, classes, instances = labelled_folders.drawn(number, *labelled_folders.SIZES[number])
        truth = torch.from_numpy(instances.astype(np.int64))
        area = torch.zeros_like(truth, dtype=torch.bool)
        area[2:18, -20:-2] = True
        known_there = known.classes != VOID
        settled = known_there & ~area & ~void_border(truth, 2)
        assert torch.equal(known.instances[settled], truth[settled])
        assert torch.equal(known.classes[settled], torch.from_numpy(classes.astype(np.int64))[settled])
        core = area.clone()
        core[:5] = core[15:] = core[:, -5:] = core[:, :-17] = False
        assert not known_there[core].any()
        border = void_border(truth, 5) & ~area
        assert (known_there | area | border).all()
        assert known_there[border].float().mean() > 0.8  # the rest lies where the two borders meet


def test_labels_without_void_are_contours_already():
    instances = torch.zeros(20, 20, dtype=torch.int64)
    instances[4:9, 4:9] = 1
    image = np.zeros((20, 20, 3), np.uint8)
    known = contours(LabelledMaps(image, 7 * instances, instances))
    assert torch.equal(known.instances, instances)
    assert torch.equal(known.classes, 7 * instances)


@pytest.mark.bad_input
def test_contours_need_labels():
    maps = torch.full((4, 4), VOID)
    image = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(ValueError, match="maps: got no instances"):
        contours(LabelledMaps(image, maps))
    with pytest.raises(ValueError, match="maps: got nothing but void"):
        contours(LabelledMaps(image, maps, maps))


def test_the_command_measures_stores_and_shows(folders, elsewhere, monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("COLUMNS", "400")
    (tmp_path / "results").mkdir()
    shutil.copy(elsewhere / "SD-7.json", tmp_path / "results")
    assert show.on_data(store.ledger(["SD-7"])[0]) == "nobody yet"
    assert main(["SD-7", "--data", f"voc={folders / 'voc'}", "--photos", "3"]) == 0
    assert "VOC val, 3 photos:" in capsys.readouterr().out
    assert main(["SD-7", "--data", f"coco={folders / 'coco'}"]) == 0
    (row,) = store.ledger(["SD-7"])
    assert row.result == Result.load("SD-7")  # the book's own stays
    voc, coco = (Result.load("SD-7", f"data/{kind}") for kind in ("voc", "coco"))
    assert row.on_data == [voc, coco]
    assert voc.command == "python -m fpnlib.claims SD-7 --data voc=FOLDER --split val --photos 3"
    assert str(folders) not in (tmp_path / "results/data/voc/SD-7.json").read_text()
    assert (voc.measurement.n, coco.measurement.n) == (3, 4)
    shown = show.Verdicts((row,))._repr_html_()
    assert f"VOC val, 3 photos: {voc.verdict}" in shown
    assert f"COCO val2017, 4 photos: {coco.verdict}" in shown
    before = (tmp_path / "results/data/voc/SD-7.json").read_text()
    assert main(["--judge", "SD-7"]) == 0
    assert (tmp_path / "results/data/voc/SD-7.json").read_text() == before


def test_the_whole_ledger_says_that_nobody_has_looked_yet():
    rows = [Row(all_claims()[id], None) for id in ("SD-7", "WU-1")]
    assert [show.on_data(row) for row in rows] == ["nobody yet", ""]


def test_dask_measures_the_same(folders):
    from distributed import LocalCluster

    command = ["SD-9", "--data", f"coco={folders / 'coco'}"]
    assert main(command) == 0
    here = Result.load("SD-9", "data/coco")
    with LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as cluster:
        assert main([*command, "--backend", "dask", "--scheduler", cluster.scheduler_address]) == 0
    assert Result.load("SD-9", "data/coco").measurement == here.measurement


def read(number):
    instances = torch.zeros(4, 5, dtype=torch.int64)
    instances[1, 2] = 1
    return LabelledMaps(np.full((4, 5, 3), number, np.uint8), instances, instances)


def noted(maps, first):
    number = int(maps.image[0, 0, 0])
    if number == 9 and "stumbled" not in SEEN:
        SEEN.append("stumbled")
        raise KeyboardInterrupt
    SEEN.append(first)
    return {} if number == 3 else {"effect": float(number)}


def endless(maps, first):
    return {"effect": [1.0, float("inf")]}


def mean(found):
    return Measurement.over_seeds({"effect": [one["effect"] for one in found]})


def claim(each=noted):
    return Claim("ZZ-1", "x", Said("us"), {"": exceeds(1, "x")}, lambda seeds: {}, seeds=8, on=OnPhotos(each, mean))


def unread(count, folder):
    photos = tuple(UnreadPhoto(f"p{i}", i, functools.partial(read, i)) for i in range(count))
    return LabelledFolder("voc", folder, "val", photos, count)


def test_an_interrupted_run_goes_on_and_a_photo_has_its_own_seeds(tmp_path):
    resume = tmp_path / "partial"
    with pytest.raises(KeyboardInterrupt):
        compute(claim(), data=unread(12, tmp_path), resume=resume)
    assert [*range(0, 8000, 1000), 8000, "stumbled"] == SEEN
    result = compute(claim(), data=unread(12, tmp_path), resume=resume)
    assert list(range(8000, 12000, 1000)) == SEEN[10:]
    assert result.measurement.n == 11  # one has nothing to measure
    assert (result.seeds, result.per_seed) == ((), {})
    assert result.measurement.effect == pytest.approx((sum(range(12)) - 3) / 11)
    count = len(SEEN)
    compute(claim(), data=unread(12, tmp_path / "other"), resume=resume)
    assert len(SEEN) == count + 12  # another folder's photos are other photos


@pytest.mark.bad_input
def test_what_cannot_be_measured_is_named(folders, tmp_path, capsys, monkeypatch):
    with pytest.raises(ValueError, match="photos: got 1 that have what ZZ-1 measures, allowed: two or more"):
        compute(claim(), data=unread(1, tmp_path))
    with pytest.raises(ValueError, match="ZZ-1 effect of p0: got a value that is not finite"):
        compute(claim(endless), data=unread(2, tmp_path))
    with pytest.raises(ValueError, match=r"seeds: got \[1\], allowed: none"):
        compute(claim(), [1], data=unread(2, tmp_path))
    with pytest.raises(ValueError, match="claim: got WU-1, allowed: one that is measured on labelled photos"):
        compute(all_claims()["WU-1"], data=unread(2, tmp_path))
    monkeypatch.setenv("COLUMNS", "400")
    data = ["--data", f"voc={folders / 'voc'}"]
    for arguments, message in (
        (["WU-1", *data], "id: got 'WU-1', which is not measured on labelled photos, allowed: SD-3, SD-4, SD-6, SD-7"),
        (["ZZ-9", *data], "id: got 'ZZ-9', allowed: SD-3"),
        (["SD-7", "--data", "voc"], "data: got 'voc', allowed: voc=FOLDER or coco=FOLDER"),
        (["SD-7", "--data", "foo=/x"], "data: got 'foo', allowed: 'voc', 'coco'"),
        (["SD-7", "--data", "voc=/no/such"], "data: got /no/such, allowed: a folder that is there"),
        (["SD-7", *data, "--split", "test"], "split: got 'test', allowed: a list in"),
        (["SD-7", *data, "--second"], "second: got True, allowed: not with --data"),
        (["SD-7", *data, "--seeds", "4"], "seeds: got 4, allowed: not with --data"),
        (["SD-7", *data, "--photos", "-3"], "photos: got -3, allowed: 0 for all, or how many"),
        (["SD-7", "--split", "val"], "split: got val, allowed: only with --data"),
    ):
        assert main(arguments) == 2
        assert message in " ".join(capsys.readouterr().out.split())
    with pytest.raises(ValueError, match=r"run `python -m fpnlib\.claims SD-7 --data voc=FOLDER`"):
        Result.load("SD-7", "data/voc")
