"""The widget that shows an explorer's picture, with the readout and any error under it."""

import anywidget
import traitlets

_VIEW = """
function render({ model, el }) {
  const picture = document.createElement("img");
  picture.className = "fpnlib-picture";
  const readout = document.createElement("div");
  readout.className = "fpnlib-readout";
  readout.setAttribute("role", "status");
  readout.setAttribute("aria-live", "polite");
  const error = document.createElement("pre");
  error.className = "fpnlib-error";
  error.setAttribute("role", "alert");
  el.append(picture, readout, error);

  let address = null;
  function showPicture() {
    const old = address;
    address = URL.createObjectURL(new Blob([model.get("frame")], { type: "image/" + model.get("format") }));
    picture.src = address;
    if (old) URL.revokeObjectURL(old);
  }
  function showText() {
    picture.alt = model.get("alt");
    readout.textContent = model.get("readout");
    error.textContent = model.get("error");
    error.hidden = !model.get("error");
  }

  // ipywidgets gives a slider's handle no name, and its value with all the digits of a float.
  function nameSliders() {
    for (const slider of el.closest(".fpnlib-explorer")?.querySelectorAll(".widget-slider") ?? []) {
      const handle = slider.querySelector(".noUi-handle");
      handle?.setAttribute("aria-label", slider.querySelector(".widget-label")?.textContent ?? "");
      handle?.setAttribute("aria-valuetext", slider.querySelector(".widget-readout")?.textContent ?? "");
    }
  }
  const changed = new MutationObserver(nameSliders);  // also when a readout is written
  function attached() {
    const explorer = el.closest(".fpnlib-explorer");
    if (!explorer) return el.dataset.gone ? null : requestAnimationFrame(attached);
    changed.observe(explorer, { childList: true, subtree: true });
    nameSliders();
  }

  model.on("change:frame", showPicture);
  model.on("change:alt change:readout change:error", showText);
  showPicture();
  showText();
  attached();
  return () => {
    el.dataset.gone = "yes";
    changed.disconnect();
    model.off("change:frame", showPicture);
    model.off("change:alt change:readout change:error", showText);
    URL.revokeObjectURL(address);
  };
}
export default { render };
"""

_LOOK = """
.fpnlib-picture { display: block; max-width: 100%; height: auto; background: white; }
.fpnlib-readout { padding: 4px 2px; font-size: var(--jp-content-font-size1, 14px); line-height: 1.5;
  white-space: pre-line; color: var(--jp-content-font-color1, black); max-width: 1000px; }
.fpnlib-error { padding: 4px 8px; white-space: pre-wrap; color: #7a0000; background: #ffecec;
  border-left: 4px solid #b00020; }
"""


class Picture(anywidget.AnyWidget):
    """A picture as encoded bytes, its text alternative in a live region, and an error when there is one."""

    _esm = _VIEW
    _css = _LOOK
    frame = traitlets.Bytes().tag(sync=True)
    format = traitlets.Unicode("png").tag(sync=True)
    alt = traitlets.Unicode().tag(sync=True)
    readout = traitlets.Unicode().tag(sync=True)
    error = traitlets.Unicode().tag(sync=True)
