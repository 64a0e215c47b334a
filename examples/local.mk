# Scripts to start from, and their data. Add a file as a line of its own, sorted.
examplesdir = $(datadir)/hone
nobase_dist_examples_DATA =
nobase_dist_examples_DATA += examples/agreement.lua
nobase_dist_examples_DATA += examples/compas.lua
nobase_dist_examples_DATA += examples/metric.lua
nobase_dist_examples_DATA += examples/pandalm.lua
nobase_dist_examples_DATA += examples/popquorn.lua
nobase_dist_examples_DATA += examples/quickstart.lua
nobase_dist_examples_DATA += examples/quickstart/base/config.json
nobase_dist_examples_DATA += examples/quickstart/base/model.safetensors
nobase_dist_examples_DATA += examples/quickstart/base/tokenizer.json
nobase_dist_examples_DATA += examples/quickstart/base/tokenizer_config.json
nobase_dist_examples_DATA += examples/quickstart/corpus.lua
nobase_dist_examples_DATA += examples/quickstart/pretrain.lua
nobase_dist_examples_DATA += examples/quickstart/tickets.jsonl
nobase_dist_examples_DATA += examples/sft.lua
