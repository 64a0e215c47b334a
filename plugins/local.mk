# Add a plugin as a line of its own, sorted:
#   <kind>_LTLIBRARIES += plugins/<kind>/<name>.la      from plugins/<kind>/<name>.c
#   dist_<kind>_DATA += plugins/<kind>/<name>.lua       written in Lua
# One with a folder of its own, or with libraries of its own, also says
#   plugins_<kind>_<name>_la_SOURCES = plugins/<kind>/<name>/first.c plugins/<kind>/<name>/second.c
#   plugins_<kind>_<name>_la_LIBADD = $(PCRE2_LIBS)
#   plugins_<kind>_<name>_la_CPPFLAGS = $(AM_CPPFLAGS) $(PCRE2_CFLAGS)

tokenizerdir = $(plugindir)/tokenizer
tokenizer_LTLIBRARIES =
tokenizer_LTLIBRARIES += plugins/tokenizer/bpe.la
tokenizer_LTLIBRARIES += plugins/tokenizer/byte.la
dist_tokenizer_DATA =
plugins_tokenizer_bpe_la_SOURCES =
plugins_tokenizer_bpe_la_SOURCES += plugins/tokenizer/bpe/added.c
plugins_tokenizer_bpe_la_SOURCES += plugins/tokenizer/bpe/bpe.c
plugins_tokenizer_bpe_la_SOURCES += plugins/tokenizer/bpe/bpe.h
plugins_tokenizer_bpe_la_SOURCES += plugins/tokenizer/bpe/config.c
plugins_tokenizer_bpe_la_SOURCES += plugins/tokenizer/bpe/decoder.c
plugins_tokenizer_bpe_la_SOURCES += plugins/tokenizer/bpe/encode.c
plugins_tokenizer_bpe_la_SOURCES += plugins/tokenizer/bpe/load.c
plugins_tokenizer_bpe_la_SOURCES += plugins/tokenizer/bpe/merge.c
plugins_tokenizer_bpe_la_SOURCES += plugins/tokenizer/bpe/model.c
plugins_tokenizer_bpe_la_SOURCES += plugins/tokenizer/bpe/normalizer.c
plugins_tokenizer_bpe_la_SOURCES += plugins/tokenizer/bpe/pairs.c
plugins_tokenizer_bpe_la_SOURCES += plugins/tokenizer/bpe/pattern.c
plugins_tokenizer_bpe_la_SOURCES += plugins/tokenizer/bpe/pipeline.c
plugins_tokenizer_bpe_la_SOURCES += plugins/tokenizer/bpe/pretokenizer.c
plugins_tokenizer_bpe_la_SOURCES += plugins/tokenizer/bpe/processor.c
plugins_tokenizer_bpe_la_SOURCES += plugins/tokenizer/bpe/ranks.c
plugins_tokenizer_bpe_la_SOURCES += plugins/tokenizer/bpe/save.c
plugins_tokenizer_bpe_la_SOURCES += plugins/tokenizer/bpe/spm.c
plugins_tokenizer_bpe_la_SOURCES += plugins/tokenizer/bpe/steps.c
plugins_tokenizer_bpe_la_SOURCES += plugins/tokenizer/bpe/tokenizer_json.c
plugins_tokenizer_bpe_la_SOURCES += plugins/tokenizer/bpe/train.c
plugins_tokenizer_bpe_la_SOURCES += plugins/tokenizer/bpe/utf8.c
plugins_tokenizer_bpe_la_SOURCES += plugins/tokenizer/bpe/utf8.h
plugins_tokenizer_bpe_la_SOURCES += plugins/tokenizer/bpe/vocab.c
plugins_tokenizer_bpe_la_CPPFLAGS = $(AM_CPPFLAGS) $(PCRE2_CFLAGS) $(UTF8PROC_CFLAGS)
plugins_tokenizer_bpe_la_LIBADD = $(PCRE2_LIBS) $(UTF8PROC_LIBS)

modeldir = $(plugindir)/model
model_LTLIBRARIES =
model_LTLIBRARIES += plugins/model/gpt2.la
model_LTLIBRARIES += plugins/model/llama.la
dist_model_DATA =
plugins_model_llama_la_LIBADD = $(JANSSON_LIBS)
plugins_model_llama_la_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)

strategydir = $(plugindir)/strategy
strategy_LTLIBRARIES =
strategy_LTLIBRARIES += plugins/strategy/full.la
strategy_LTLIBRARIES += plugins/strategy/lora.la
dist_strategy_DATA =
plugins_strategy_lora_la_SOURCES = plugins/strategy/lora/files.c plugins/strategy/lora/lora.c \
	plugins/strategy/lora/lora.h
plugins_strategy_lora_la_LIBADD = $(JANSSON_LIBS)
plugins_strategy_lora_la_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)

optimizerdir = $(plugindir)/optimizer
optimizer_LTLIBRARIES =
optimizer_LTLIBRARIES += plugins/optimizer/adamw.la
optimizer_LTLIBRARIES += plugins/optimizer/sgd.la
dist_optimizer_DATA =
plugins_optimizer_adamw_la_CFLAGS = $(KERNEL_CFLAGS)
plugins_optimizer_sgd_la_CFLAGS = $(KERNEL_CFLAGS)

qualitydir = $(plugindir)/quality
quality_LTLIBRARIES =
quality_LTLIBRARIES += plugins/quality/agreement.la
quality_LTLIBRARIES += plugins/quality/bradley_terry.la
quality_LTLIBRARIES += plugins/quality/dawid_skene.la
quality_LTLIBRARIES += plugins/quality/elo.la
quality_LTLIBRARIES += plugins/quality/glad.la
quality_LTLIBRARIES += plugins/quality/kos.la
quality_LTLIBRARIES += plugins/quality/m_msr.la
quality_LTLIBRARIES += plugins/quality/mace.la
quality_LTLIBRARIES += plugins/quality/majority.la
quality_LTLIBRARIES += plugins/quality/one_coin.la
quality_LTLIBRARIES += plugins/quality/wawa.la
quality_LTLIBRARIES += plugins/quality/zero_based_skill.la
dist_quality_DATA =
CHECKS = plugins/quality/answers.c plugins/quality/answers.h plugins/quality/findings.c plugins/quality/findings.h
plugins_quality_agreement_la_SOURCES = plugins/quality/agreement/agreement.c plugins/quality/agreement/agreement.h \
	plugins/quality/agreement/alpha.c plugins/quality/agreement/bootstrap.c plugins/quality/agreement/chance.c \
	plugins/quality/agreement/icc.c plugins/quality/agreement/kappa.c plugins/quality/agreement/regions.c $(CHECKS)
plugins_quality_agreement_la_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
VOTES = plugins/quality/votes.c plugins/quality/votes.h plugins/quality/votes_result.c
plugins_quality_dawid_skene_la_SOURCES = plugins/quality/dawid_skene.c $(VOTES)
plugins_quality_glad_la_SOURCES = plugins/quality/glad.c $(VOTES)
plugins_quality_kos_la_SOURCES = plugins/quality/kos.c $(VOTES)
plugins_quality_m_msr_la_SOURCES = plugins/quality/m_msr.c $(VOTES)
plugins_quality_mace_la_SOURCES = plugins/quality/mace.c $(VOTES)
plugins_quality_majority_la_SOURCES = plugins/quality/majority.c $(VOTES)
plugins_quality_one_coin_la_SOURCES = plugins/quality/one_coin.c $(VOTES)
plugins_quality_wawa_la_SOURCES = plugins/quality/wawa.c $(VOTES)
plugins_quality_zero_based_skill_la_SOURCES = plugins/quality/zero_based_skill.c $(VOTES)
plugins_quality_bradley_terry_la_SOURCES = plugins/quality/bradley_terry/bootstrap.c \
	plugins/quality/bradley_terry/bradley_terry.c plugins/quality/bradley_terry/bradley_terry.h \
	plugins/quality/bradley_terry/crowd.c plugins/quality/bradley_terry/fit.c plugins/quality/bradley_terry/items.c \
	plugins/quality/pairs.c plugins/quality/pairs.h plugins/quality/pairs_result.c
plugins_quality_bradley_terry_la_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
plugins_quality_bradley_terry_la_LIBADD = $(JANSSON_LIBS)
plugins_quality_elo_la_SOURCES = plugins/quality/elo.c plugins/quality/pairs.c plugins/quality/pairs.h \
	plugins/quality/pairs_result.c
plugins_quality_elo_la_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
plugins_quality_elo_la_LIBADD = $(JANSSON_LIBS)

biasdir = $(plugindir)/bias
bias_LTLIBRARIES =
bias_LTLIBRARIES += plugins/bias/length.la
plugins_bias_length_la_CPPFLAGS = $(AM_CPPFLAGS) $(UTF8PROC_CFLAGS)
plugins_bias_length_la_LIBADD = $(UTF8PROC_LIBS)
dist_bias_DATA =

metricdir = $(plugindir)/metric
metric_LTLIBRARIES =
metric_LTLIBRARIES += plugins/metric/exact_match.la
metric_LTLIBRARIES += plugins/metric/length.la
metric_LTLIBRARIES += plugins/metric/lexicon.la
dist_metric_DATA =
plugins_metric_exact_match_la_SOURCES = plugins/metric/exact_match.c plugins/metric/words.h
plugins_metric_exact_match_la_LIBADD = $(UTF8PROC_LIBS)
plugins_metric_exact_match_la_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS) $(UTF8PROC_CFLAGS)
plugins_metric_length_la_SOURCES = plugins/metric/length.c plugins/metric/words.h
plugins_metric_length_la_LIBADD = $(UTF8PROC_LIBS)
plugins_metric_length_la_CPPFLAGS = $(AM_CPPFLAGS) $(UTF8PROC_CFLAGS)
plugins_metric_lexicon_la_SOURCES = plugins/metric/lexicon.c plugins/metric/words.h
plugins_metric_lexicon_la_LIBADD = $(UTF8PROC_LIBS)
plugins_metric_lexicon_la_CPPFLAGS = $(AM_CPPFLAGS) $(UTF8PROC_CFLAGS)
