"""The human evaluation kit: a blinded form to rate texts in a browser, and the analysis of what it exports.

`form.py` makes `form.html`, which is given to raters, and `key.json`, which is not. `analysis.py` joins the raters'
exports with the key; `sheet.py` does the same for ratings that one reader wrote into JSON lines.
"""
