# Scripts to start from, and their data. Add a file as a line of its own, sorted.
examplesdir = $(datadir)/hone/examples
nobase_dist_examples_DATA =
