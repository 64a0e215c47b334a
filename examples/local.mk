# Scripts to start from, and their data. Add a file as a line of its own, sorted.
examplesdir = $(datadir)/hone
nobase_dist_examples_DATA =
nobase_dist_examples_DATA += examples/agreement.lua
nobase_dist_examples_DATA += examples/metric.lua
nobase_dist_examples_DATA += examples/quickstart/corpus.lua
nobase_dist_examples_DATA += examples/sft.lua
