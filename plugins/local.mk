# Add a plugin as a line of its own, sorted:
#   <kind>_LTLIBRARIES += plugins/<kind>/<name>.la      from plugins/<kind>/<name>.c
#   dist_<kind>_DATA += plugins/<kind>/<name>.lua       written in Lua
# One with a folder of its own, or with libraries of its own, also says
#   plugins_<kind>_<name>_la_SOURCES = plugins/<kind>/<name>/first.c plugins/<kind>/<name>/second.c
#   plugins_<kind>_<name>_la_LIBADD = $(PCRE2_LIBS)
#   plugins_<kind>_<name>_la_CPPFLAGS = $(AM_CPPFLAGS) $(PCRE2_CFLAGS)

tokenizerdir = $(plugindir)/tokenizer
tokenizer_LTLIBRARIES =
dist_tokenizer_DATA =

modeldir = $(plugindir)/model
model_LTLIBRARIES =
dist_model_DATA =

strategydir = $(plugindir)/strategy
strategy_LTLIBRARIES =
dist_strategy_DATA =

optimizerdir = $(plugindir)/optimizer
optimizer_LTLIBRARIES =
optimizer_LTLIBRARIES += plugins/optimizer/adamw.la
optimizer_LTLIBRARIES += plugins/optimizer/sgd.la
dist_optimizer_DATA =
plugins_optimizer_adamw_la_CFLAGS = $(KERNEL_CFLAGS)
plugins_optimizer_sgd_la_CFLAGS = $(KERNEL_CFLAGS)

qualitydir = $(plugindir)/quality
quality_LTLIBRARIES =
dist_quality_DATA =

biasdir = $(plugindir)/bias
bias_LTLIBRARIES =
dist_bias_DATA =

metricdir = $(plugindir)/metric
metric_LTLIBRARIES =
dist_metric_DATA =
