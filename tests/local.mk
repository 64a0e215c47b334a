# Tests: see tests/README.md. Add a file as a line of its own, sorted:
#   check_PROGRAMS += tests/<name>          from tests/<name>.c
#   EXTRA_DIST += tests/<name>.sh           scripts, .sh and .lua, and data
LDADD = $(CHECK_LIBS)
check_PROGRAMS =

check-programs: all $(check_PROGRAMS)

check-local: check-programs
	HONE_BUILD="$(abs_top_builddir)" $(top_srcdir)/tests/run

.PHONY: check-programs
EXTRA_DIST += tests/README.md
EXTRA_DIST += tests/headers.sh
EXTRA_DIST += tests/listed.sh
EXTRA_DIST += tests/lsan.supp
EXTRA_DIST += tests/run
