"""The commands of ``ffs`` that are clients of a dashboard's API. They import the standard library alone."""
