"""Sphinx's settings."""

project = "Notes on deep-learning vision, measured"
html_title = project
root_doc = "index"
extensions = ["myst_nb", "pages.writing"]
html_theme = "furo"
html_favicon = "images/03-segmentation-head.png"
html_static_path = ["_static"]
html_css_files = ["front.css", "site.css"]
html_js_files = [("../live.js", {"type": "module"})]
html_copy_source = False
html_show_sourcelink = False
html_math_renderer = "mathml"
nb_execution_mode = "off"
nb_merge_streams = True
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
myst_heading_slug_func = "pages.writing.anchor"
