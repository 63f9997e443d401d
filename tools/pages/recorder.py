"""What a picture is drawn with, written down: a renderer whose paths, words and images a page can draw again."""

import hashlib
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backend_bases import GraphicsContextBase, RendererBase
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.path import Path
from matplotlib.textpath import text_to_path
from matplotlib.transforms import Affine2D, Transform

UNIT = 16  # of places, in a pixel
LETTER_UNIT = 8  # of letters' outlines, in a hundredth of a letter's size
_PIXELS = 100 / 72  # in a point
_FAR = 2000  # pixels; farther out nothing is kept
_SNAPPED = 1024  # vertices of a path, at most, that may be moved to whole pixels, as Matplotlib has it
_STEPS = bytes.maketrans(
    bytes([Path.MOVETO, Path.LINETO, Path.CURVE3, Path.CURVE4, Path.CLOSEPOLY]),
    b"MLQCZ",
)


class Outline(NamedTuple):
    """A path: SVG's letter for each step, and x and y by turns in units, y down."""

    steps: str
    places: tuple[int, ...]


class Look(NamedTuple):
    """How something is drawn: colours #rrggbbaa, empty for none; lengths in pixels; in a rectangle and an outline."""

    fill: str = ""
    stroke: str = ""
    width: float = 0
    cap: str = ""
    join: str = ""
    dashes: tuple[float, ...] = ()
    offset: float = 0
    snap: bool = False  # to whole pixels of the screen
    frame: tuple[int, ...] = ()
    clip: Outline | None = None


class Stroke(NamedTuple):
    """A path."""

    look: Look
    outline: Outline


class Marks(NamedTuple):
    """An outline around many places, x and y by turns."""

    look: Look
    outline: Outline
    places: tuple[int, ...]


class Words(NamedTuple):
    """Letters on a line that begins at a place and is turned: of each its name and how far along it stands."""

    look: Look
    place: tuple[int, ...]
    angle: float
    size: float  # points
    letters: tuple[str, ...]
    along: tuple[int, ...]


class Cells(NamedTuple):
    """An image by its name, between x0 y0 and x1 y1, smooth or with an edge around each cell."""

    look: Look
    corners: tuple[int, ...]
    smooth: bool
    image: bytes


Op = Stroke | Marks | Words | Cells


class Recorder(RendererBase):
    """Writes down what artists draw on a picture of some size in pixels.

    Attributes:
        letters: outlines by name, of size 100, in `LETTER_UNIT`.
        images: pixels (h, w, 4) by name.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self._size = size
        self._down = Affine2D().scale(1, -1).translate(0, size[1])
        self._ops: list[Op] = []
        self._taken: dict[Artist, tuple[Any, list[Op]]] = {}
        self._lines: dict[Any, list[Any]] = {}
        self.letters: dict[str, Outline] = {}
        self.images: dict[bytes, np.ndarray] = {}

    def taken(self, artist: Artist) -> list[Op]:
        """Return what an artist draws; one that has not moved since, and whose axes have not, is not asked again."""
        axes = artist.axes if isinstance(artist.axes, Axes) else None
        where = axes and (*axes.viewLim.extents, *axes.bbox.extents)
        before, ops = self._taken.get(artist, (False, []))
        if artist.stale or before != where:
            ops = self._ops = []
            artist.draw(self)
            self._taken[artist] = where, ops
        return ops

    def places(self, pixels: np.ndarray) -> tuple[int, ...]:
        """Return places in units, y down, of places in Matplotlib's pixels."""
        return _whole(self._down.transform(pixels))

    # What Matplotlib asks.

    def get_canvas_width_height(self) -> tuple[int, int]:
        return self._size

    def points_to_pixels(self, points: Any) -> Any:
        return points * _PIXELS

    def flipy(self) -> bool:
        """Whether words come with y down: here all is turned in one place."""
        return False

    def option_scale_image(self) -> bool:
        """Whether images come as they are, with what takes them to their place."""
        return True

    def option_image_nocomposite(self) -> bool:
        """Whether images come one by one."""
        return True

    def draw_path(self, gc: GraphicsContextBase, path: Path, transform: Transform, rgbFace: Any = None) -> None:
        """Write down a path."""
        outline = self._outline(path, transform, filled=rgbFace is not None)
        self._put(Stroke(self._look(gc, rgbFace, outline), outline))

    def draw_markers(
        self,
        gc: GraphicsContextBase,
        marker_path: Path,
        marker_trans: Transform,
        path: Path,
        trans: Transform,
        rgbFace: Any = None,
    ) -> None:
        """Write down a marker and its places."""
        outline = self._around_zero(marker_path, marker_trans)
        self._put(Marks(self._look(gc, rgbFace, outline), outline, self._places(trans.transform(path.vertices))))

    def draw_path_collection(self, gc: GraphicsContextBase, *collection: Any, hatchcolors: Any = None) -> None:
        """Write down paths, or places of one."""
        trans, paths, transforms, offsets, *rest = collection
        _, faces, edges, widths, dashes, *_ = rest
        alike = max(map(len, (offsets, edges, widths, dashes))) <= 1 and not len(faces)
        if alike and len(paths) > 1 and len(edges) and edges[0][3] == 1:  # lines that do not shine through each other
            paths = [Path.make_compound_path(*paths)]
        each = list(self._iter_collection_raw_paths(trans, paths, transforms))
        for x, y, (path, place), its, face in self._iter_collection(gc, each, offsets, *rest, hatchcolors=[]):
            if len(offsets) > 1:
                outline = self._around_zero(path, place)
                self._put(Marks(self._look(its, face, outline), outline, self._places(np.array([[x, y]]))))
            else:
                self.draw_path(its, path, place.frozen().translate(x, y) if x or y else place, face)

    def draw_text(
        self,
        gc: GraphicsContextBase,
        x: float,
        y: float,
        s: str,
        prop: FontProperties,
        angle: float,
        ismath: Any = False,
        mtext: Any = None,
    ) -> None:
        """Write down words on one line."""
        look = self._look(gc, gc.get_rgb(), None)._replace(snap=angle % 90 == 0)
        size = prop.get_size_in_points()
        turn = Affine2D().scale(size * _PIXELS / 100).rotate_deg(angle).translate(x, y) + self._down
        for rise, scale, letters, along in self._line(s, prop, bool(ismath)):
            if letters:
                place = _whole(turn.transform((along[0] / LETTER_UNIT, rise)))
                spread = tuple(round((one - along[0]) / scale) for one in along)
                self._put(Words(look, place, round(angle, 2), round(size * scale, 3), letters, spread))
            else:  # a bar of a fraction or of a root
                self._put(Stroke(look, Outline("MLLLZ", _whole(turn.transform(along)))))

    def draw_image(self, gc: GraphicsContextBase, x: float, y: float, im: Any, transform: Any = None) -> None:
        """Write down an image, its first row lowest; a transform takes the square from 0 to 1 to the image's place."""
        pixels = np.asarray(im)[::-1]
        place = transform or Affine2D().scale(*pixels.shape[1::-1]).translate(x, y)
        (x0, y0), (x1, y1) = (place + self._down).transform([(0, 1), (1, 0)])
        pixels = np.ascontiguousarray(pixels[:: -1 if y0 > y1 else 1, :: -1 if x0 > x1 else 1])
        name = hashlib.blake2b(repr(pixels.shape).encode() + pixels.tobytes(), digest_size=16).digest()
        self.images[name] = pixels
        corners = _whole(np.array([[min(x0, x1), min(y0, y1)], [max(x0, x1), max(y0, y1)]]))
        self._put(Cells(self._look(gc, None, None), corners, bool(gc.get_antialiased()), name))

    # How it works.

    def _put(self, op: Op) -> None:
        """Write one down; what follows its like, and covers it as if they were one, is joined to it."""
        if isinstance(op, Stroke | Marks) and not (op.outline.places and op[-1]):
            return
        before = self._ops[-1] if self._ops else None
        if isinstance(op, Marks) and isinstance(before, Marks) and op[:2] == before[:2]:
            self._ops[-1] = before._replace(places=before.places + op.places)
        elif isinstance(op, Stroke) and isinstance(before, Stroke) and op.look == before.look and _covers(op.look):
            (steps, places), (more, further) = before.outline, op.outline
            self._ops[-1] = before._replace(outline=Outline(steps + more, places + further))
        else:
            self._ops.append(op)

    def _look(self, gc: GraphicsContextBase, face: Any, outline: Outline | None) -> Look:
        """The look of an outline, or of what has no lines."""
        look = Look(**self._clip(gc))
        if face is not None:
            look = look._replace(fill=_hex(*face[:3], gc.get_alpha() if gc.get_forced_alpha() else (*face, 1)[3]))
        if not outline:
            return look
        snap = gc.get_snap()
        look = look._replace(snap=bool(_straight(outline) if snap is None else snap))
        stroke = _hex(*gc.get_rgb()) if gc.get_linewidth() else ""
        if not stroke:
            return look
        offset, dashes = gc.get_dashes()
        lengths = tuple(round(length * _PIXELS, 3) for length in (gc.get_linewidth(), offset or 0, *(dashes or ())))
        ends = {"cap": gc.get_capstyle(), "join": gc.get_joinstyle()}
        return look._replace(stroke=stroke, width=lengths[0], offset=lengths[1], dashes=lengths[2:], **ends)

    def _clip(self, gc: GraphicsContextBase) -> dict[str, Any]:
        frame, (path, transform) = gc.get_clip_rectangle(), gc.get_clip_path()
        corners = () if frame is None else _whole(self._down.transform([(frame.x0, frame.y1), (frame.x1, frame.y0)]))
        return {"frame": corners, "clip": path and self._outline(path, transform, filled=True)}

    def _outline(self, path: Path, transform: Transform, *, filled: bool) -> Outline:
        reach = None if filled else (-_FAR, -_FAR, 2 * _FAR, 2 * _FAR)
        simple = path.should_simplify and not filled
        clean = path.cleaned(transform + self._down, remove_nans=True, clip=reach, simplify=simple, curves=True)
        kept = (clean.codes != Path.STOP) & (clean.codes != Path.CLOSEPOLY)
        steps = clean.codes.tobytes().translate(_STEPS, bytes([Path.STOP])).decode()
        return Outline(steps.replace("QQ", "Q").replace("CCC", "C"), _whole(clean.vertices[kept]))

    def _around_zero(self, path: Path, transform: Transform) -> Outline:
        return self._outline(path, transform + Affine2D().translate(0, self._size[1]), filled=True)

    def _places(self, places: np.ndarray) -> tuple[int, ...]:
        near = (np.abs(places) < _FAR).all(1)  # and finite
        return _whole(self._down.transform(places[near]))

    def _line(self, s: str, prop: FontProperties, math: bool) -> list[Any]:
        """Runs of letters on one height: that height, a scale, their names, how far along each; or no names: a bar."""
        key = s, prop, math
        if key not in self._lines:
            outlines: dict[str, Any] = {}
            if math:
                found, outlines, bars = text_to_path.get_glyphs_mathtext(prop, s)
            else:
                font = get_font(findfont(prop))
                font.set_size(text_to_path.FONT_SCALE, text_to_path.DPI)
                found, outlines, bars = text_to_path.get_glyphs_with_font(font, s)
            runs: list[Any] = []
            for name, x, rise, scale in found:
                vertices, codes = outlines[name]
                if not len(vertices):
                    continue
                if name not in self.letters:
                    self.letters[name] = _letter(vertices, codes)
                if not runs or runs[-1][:2] != (rise, scale):
                    runs.append((rise, scale, (), ()))
                runs[-1] = (rise, scale, runs[-1][2] + (name,), runs[-1][3] + (round(x * LETTER_UNIT),))
            self._lines[key] = runs + [(0, 1, (), np.array(corners[:4])) for corners, _ in bars]
        return self._lines[key]


def _letter(vertices: Any, codes: Any) -> Outline:
    kept = np.array(codes) != Path.CLOSEPOLY
    steps = bytes(bytearray(codes)).translate(_STEPS).decode().replace("QQ", "Q").replace("CCC", "C")
    return Outline(steps, _whole(np.array(vertices)[kept] * (1, -1), LETTER_UNIT))


def _straight(outline: Outline) -> bool:
    """Whether all lines are level or upright, so that Matplotlib moves them to whole pixels."""
    steps, places = outline.steps.replace("Z", ""), outline.places
    if not 1 < len(steps) <= _SNAPPED or "Q" in steps or "C" in steps:
        return False
    x, y = places[::2], places[1::2]
    return all(steps[at] == "M" or x[at] == x[at - 1] or y[at] == y[at - 1] for at in range(1, len(steps)))


def _covers(look: Look) -> bool:
    """Whether lines drawn at once look as if drawn one by one."""
    return not look.fill and look.stroke.endswith("ff") and not look.dashes


@lru_cache(maxsize=4096)
def _hex(red: float, green: float, blue: float, alpha: float) -> str:
    return "#" + bytes(round(255 * part) for part in (red, green, blue, alpha)).hex() if alpha else ""


def _whole(places: Any, unit: int = UNIT) -> tuple[int, ...]:
    return tuple(np.rint(np.multiply(places, unit)).astype(int).ravel().tolist())
