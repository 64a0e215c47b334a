# Tests: see tests/README.md. Add a file as a line of its own, sorted:
#   check_PROGRAMS += tests/test_<name>     from tests/test_<name>.c
#   EXTRA_DIST += tests/<name>.sh           scripts, .sh and .lua, and data; a folder brings all it holds,
#                                           what was built there, too: list its files then
EXTRA_DIST += tests/README.md
EXTRA_DIST += tests/fuzz
EXTRA_DIST += tests/golden
EXTRA_DIST += tests/headers.sh
EXTRA_DIST += tests/install.sh
EXTRA_DIST += tests/judgements.lua
EXTRA_DIST += tests/listed.sh
EXTRA_DIST += tests/lsan.supp
EXTRA_DIST += tests/lua
EXTRA_DIST += tests/lua_advantage.lua
EXTRA_DIST += tests/lua_algorithm.lua
EXTRA_DIST += tests/lua_bias.lua
EXTRA_DIST += tests/lua_command.lua
EXTRA_DIST += tests/lua_examples.lua
EXTRA_DIST += tests/lua_memory.lua
EXTRA_DIST += tests/lua_metric.lua
EXTRA_DIST += tests/lua_plugins.lua
EXTRA_DIST += tests/lua_precision.lua
EXTRA_DIST += tests/lua_program.lua
EXTRA_DIST += tests/lua_reward.lua
EXTRA_DIST += tests/lua_preference.lua
EXTRA_DIST += tests/lua_reward_model.lua
EXTRA_DIST += tests/lua_sft.lua
EXTRA_DIST += tests/lua_tensor.lua
EXTRA_DIST += tests/lua_values.lua
EXTRA_DIST += tests/parity
EXTRA_DIST += tests/plugins/overlong.c
EXTRA_DIST += tests/run
EXTRA_DIST += tests/simulate
EXTRA_DIST += tests/statistics.lua

check_PROGRAMS =
check_PROGRAMS += tests/test_advantage
check_PROGRAMS += tests/test_aggregation
check_PROGRAMS += tests/test_aggregation_edges
check_PROGRAMS += tests/test_agreement
check_PROGRAMS += tests/test_batch
check_PROGRAMS += tests/test_bias
check_PROGRAMS += tests/test_bias_length
check_PROGRAMS += tests/test_branch
check_PROGRAMS += tests/test_cache
check_PROGRAMS += tests/test_config
check_PROGRAMS += tests/test_consensus
check_PROGRAMS += tests/test_context
check_PROGRAMS += tests/test_crowd
check_PROGRAMS += tests/test_data
check_PROGRAMS += tests/test_data_clean
check_PROGRAMS += tests/test_data_encode
check_PROGRAMS += tests/test_error
check_PROGRAMS += tests/test_every_plugin
check_PROGRAMS += tests/test_gemm
check_PROGRAMS += tests/test_generate
check_PROGRAMS += tests/test_head
check_PROGRAMS += tests/test_inference
check_PROGRAMS += tests/test_instance
check_PROGRAMS += tests/test_json
check_PROGRAMS += tests/test_judgement
check_PROGRAMS += tests/test_judgement_load
check_PROGRAMS += tests/test_judgement_pairs
check_PROGRAMS += tests/test_kernels
check_PROGRAMS += tests/test_kernels_rows
check_PROGRAMS += tests/test_memory
check_PROGRAMS += tests/test_metric
check_PROGRAMS += tests/test_model
check_PROGRAMS += tests/test_ops
check_PROGRAMS += tests/test_optimizer
check_PROGRAMS += tests/test_options
check_PROGRAMS += tests/test_pair_batch
check_PROGRAMS += tests/test_pairs
check_PROGRAMS += tests/test_params
check_PROGRAMS += tests/test_parity
check_PROGRAMS += tests/test_plugin
check_PROGRAMS += tests/test_quality_checks
check_PROGRAMS += tests/test_random
check_PROGRAMS += tests/test_safetensors
check_PROGRAMS += tests/test_sample
check_PROGRAMS += tests/test_sampler
check_PROGRAMS += tests/test_select
check_PROGRAMS += tests/test_store
check_PROGRAMS += tests/test_store_people
check_PROGRAMS += tests/test_strategy
check_PROGRAMS += tests/test_tensor
check_PROGRAMS += tests/test_tokenizer
check_PROGRAMS += tests/test_tokenizer_files
check_PROGRAMS += tests/test_tokenizer_pattern
check_PROGRAMS += tests/test_tokenizer_train

check_LTLIBRARIES = tests/libsupport.la
tests_libsupport_la_SOURCES =
tests_libsupport_la_SOURCES += tests/crowd.c
tests_libsupport_la_SOURCES += tests/crowd.h
tests_libsupport_la_SOURCES += tests/gradient.c
tests_libsupport_la_SOURCES += tests/gradient.h
tests_libsupport_la_SOURCES += tests/kernels.h
tests_libsupport_la_SOURCES += tests/samples.c
tests_libsupport_la_SOURCES += tests/samples.h
tests_libsupport_la_SOURCES += tests/support.c
tests_libsupport_la_SOURCES += tests/support.h
tests_libsupport_la_SOURCES += tests/toy.c
tests_libsupport_la_SOURCES += tests/toy.h
tests_libsupport_la_LDFLAGS =
LDADD = tests/libsupport.la $(CHECK_LIBS) $(ZLIB_LIBS) $(JANSSON_LIBS) -lm
tests_test_gemm_LDADD = core/kernels/libkernels.la $(LDADD) $(OPENBLAS_LIBS)
tests_test_kernels_LDADD = core/kernels/libkernels.la $(LDADD) $(OPENBLAS_LIBS)
tests_test_tokenizer_pattern_CPPFLAGS = $(AM_CPPFLAGS) $(PCRE2_CFLAGS) $(UTF8PROC_CFLAGS)
tests_test_tokenizer_pattern_SOURCES = tests/test_tokenizer_pattern.c plugins/tokenizer/bpe/pattern.c \
	plugins/tokenizer/bpe/utf8.c
tests_test_tokenizer_pattern_LDADD = $(LDADD) $(PCRE2_LIBS) $(UTF8PROC_LIBS)
tests_test_kernels_rows_LDADD = core/kernels/libkernels.la $(LDADD) $(OPENBLAS_LIBS)
tests_test_store_CPPFLAGS = $(AM_CPPFLAGS) $(SQLITE_CFLAGS)
tests_test_store_LDADD = $(LDADD) $(SQLITE_LIBS)
tests_test_crowd_SOURCES = tests/test_crowd.c tests/pairs.h plugins/quality/bradley_terry/crowd.c \
	plugins/quality/bradley_terry/fit.c plugins/quality/pairs.c plugins/quality/pairs_result.c
tests_test_pairs_SOURCES = tests/test_pairs.c tests/pairs.h plugins/quality/pairs.c plugins/quality/pairs_result.c

# Plugins to load and to refuse, for tests/test_plugin.c; -rpath makes them shared objects. One lacks a library.
SAMPLE_LDFLAGS = $(AM_LDFLAGS) -rpath /nowhere
check_LTLIBRARIES += tests/plugins/bad_default.la
tests_plugins_bad_default_la_LDFLAGS = $(SAMPLE_LDFLAGS)
check_LTLIBRARIES += tests/plugins/failing_init.la
tests_plugins_failing_init_la_LDFLAGS = $(SAMPLE_LDFLAGS)
check_LTLIBRARIES += tests/plugins/failing_self_test.la
tests_plugins_failing_self_test_la_LDFLAGS = $(SAMPLE_LDFLAGS)
check_LTLIBRARIES += tests/plugins/lacking_op.la
tests_plugins_lacking_op_la_LDFLAGS = $(SAMPLE_LDFLAGS)
check_LTLIBRARIES += tests/plugins/misnamed.la
tests_plugins_misnamed_la_LDFLAGS = $(SAMPLE_LDFLAGS)
check_LTLIBRARIES += tests/plugins/no_symbol.la
tests_plugins_no_symbol_la_LDFLAGS = $(SAMPLE_LDFLAGS)
check_LTLIBRARIES += tests/plugins/other_abi.la
tests_plugins_other_abi_la_LDFLAGS = $(SAMPLE_LDFLAGS)
check_LTLIBRARIES += tests/plugins/sample.la
tests_plugins_sample_la_LDFLAGS = $(SAMPLE_LDFLAGS)
check_LTLIBRARIES += tests/plugins/undefined_symbol.la
tests_plugins_undefined_symbol_la_LDFLAGS = $(SANITIZERS) -module -avoid-version -shared -rpath /nowhere

check-programs: all $(check_PROGRAMS) $(check_LTLIBRARIES)

check-local: check-programs
	HONE_BUILD="$(abs_top_builddir)" $(top_srcdir)/tests/run

.PHONY: check-programs
