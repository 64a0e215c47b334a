# Tests: see tests/README.md. Add a file as a line of its own, sorted:
#   check_PROGRAMS += tests/test_<name>     from tests/test_<name>.c
#   EXTRA_DIST += tests/<name>.sh           scripts, .sh and .lua, and data (a folder brings all it holds)
EXTRA_DIST += tests/README.md
EXTRA_DIST += tests/golden
EXTRA_DIST += tests/headers.sh
EXTRA_DIST += tests/listed.sh
EXTRA_DIST += tests/lsan.supp
EXTRA_DIST += tests/parity
EXTRA_DIST += tests/plugins
EXTRA_DIST += tests/run

check_PROGRAMS =
check_PROGRAMS += tests/test_agreement
check_PROGRAMS += tests/test_data
check_PROGRAMS += tests/test_data_clean
check_PROGRAMS += tests/test_error
check_PROGRAMS += tests/test_json
check_PROGRAMS += tests/test_judgement
check_PROGRAMS += tests/test_kernels
check_PROGRAMS += tests/test_kernels_rows
check_PROGRAMS += tests/test_memory
check_PROGRAMS += tests/test_metric
check_PROGRAMS += tests/test_ops
check_PROGRAMS += tests/test_options
check_PROGRAMS += tests/test_parity
check_PROGRAMS += tests/test_random
check_PROGRAMS += tests/test_sample
check_PROGRAMS += tests/test_tensor

check_LTLIBRARIES = tests/libsupport.la
tests_libsupport_la_SOURCES = tests/gradient.c tests/gradient.h tests/support.c tests/support.h
tests_libsupport_la_LDFLAGS =
LDADD = tests/libsupport.la $(CHECK_LIBS) $(JANSSON_LIBS) $(ZLIB_LIBS) -lm
tests_test_kernels_LDADD = core/kernels/libkernels.la $(LDADD) $(OPENBLAS_LIBS)
tests_test_kernels_rows_LDADD = core/kernels/libkernels.la $(LDADD) $(OPENBLAS_LIBS)

check-programs: all $(check_PROGRAMS)

check-local: check-programs
	HONE_BUILD="$(abs_top_builddir)" $(top_srcdir)/tests/run

.PHONY: check-programs
