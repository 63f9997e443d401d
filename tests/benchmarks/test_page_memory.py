"""Ten thousand moves on a page: what it holds does not grow."""

import numpy as np
import pytest
from playwright.sync_api import sync_playwright
from support.four_maps import FourMaps
from support.lab import find_chromium, launch
from support.page import ExplorerPage
from support.side_by_side import amount

MEGABYTES = 2
# Moves through a source that knows every state, with pictures of 64 kB as charts have.
MOVES = """async ([spec, from, to]) => {
  if (!window.place) {
    const canvas = document.createElement("canvas");
    const png = atob(canvas.toDataURL("image/png").split(",")[1]);
    const encoded = btoa(png.padEnd(3 * 2 ** 14)); // 64 kB, and what follows a picture's end is not looked at
    let count = 0;
    const answer = () => ({
      address: `data:image/png;base64,${encoded}${btoa(String(count += 1).padEnd(6))}`,
      density: 3, final: true, readout: "", code: "", handles: {}, milliseconds: 1,
    });
    const source = { ask: async () => answer(), onPush() {}, close() {} };
    window.place = document.body.appendChild(document.createElement("div"));
    front.explore(place, spec, spec.start, source);
  }
  const slider = place.querySelector("input[type=range]");
  for (let at = from; at < to; at += 1) {
    slider.value = at;
    slider.dispatchEvent(new Event("input"));
    await (at % 50 ? Promise.resolve() : new Promise(done => setTimeout(done)));
  }
  await new Promise(done => setTimeout(done, 1000)); // what is still being loaded
  return place.querySelectorAll("*").length;
}"""


@pytest.mark.timeout(1200)
def test_ten_thousand_moves_leave_the_page_as_small_as_it_was(benchmark):
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("no Chromium found")
    with sync_playwright() as playwright:
        page = ExplorerPage(launch(playwright, chromium), FourMaps())
        control = {"kind": "slider", "label": "place", "min": 0, "max": 10_000, "step": 1}
        spec = page.explorer.spec() | {"controls": {"place": control}, "start": {"place": 0}, "handles": []}
        tools = page.context.new_cdp_session(page.page)
        tools.send("Performance.enable")

        def after(first, last):
            elements = page.page.evaluate(MOVES, [spec, first, last])
            tools.send("HeapProfiler.collectGarbage")
            metrics = {one["name"]: one["value"] for one in tools.send("Performance.getMetrics")["metrics"]}
            return np.array([elements, metrics["JSHeapUsedSize"] / 1e6])

        before = after(1, 1000)  # by then its store is full
        elements, megabytes = after(1000, 10_000) - before
        page.close()
    benchmark.pedantic(lambda: None, rounds=1)
    assert elements == 0
    amount(benchmark, "a page's heap after 10,000 moves, more by", float(megabytes), "MB", MEGABYTES)
