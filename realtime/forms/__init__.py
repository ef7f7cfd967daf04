"""The forms of the pages, one module per noun. The rules about values are those of the API; forms repeat them for
browsers.
"""
