# libhone. Add a file as a line of its own, sorted.
lib_LTLIBRARIES += core/libhone.la
CORE_CPPFLAGS = $(AM_CPPFLAGS) $(PATHS) $(LIBCONFIG_CFLAGS) $(JANSSON_CFLAGS) $(PCRE2_CFLAGS) \
	$(UTF8PROC_CFLAGS) $(ZLIB_CFLAGS) $(OPENBLAS_CFLAGS)
core_libhone_la_CPPFLAGS = $(CORE_CPPFLAGS)
core_libhone_la_LDFLAGS = $(SANITIZERS) $(Z_DEFS) -shared -no-undefined -version-info 0:0:0
core_libhone_la_LIBADD = $(LIBCONFIG_LIBS) $(JANSSON_LIBS) $(PCRE2_LIBS) $(UTF8PROC_LIBS) $(ZLIB_LIBS) \
	$(OPENBLAS_LIBS) $(LTDL_LIBS) -lm
core_libhone_la_SOURCES =
core_libhone_la_SOURCES += core/batch.c
core_libhone_la_SOURCES += core/batch.h
core_libhone_la_SOURCES += core/bias.c
core_libhone_la_SOURCES += core/cache.c
core_libhone_la_SOURCES += core/config.c
core_libhone_la_SOURCES += core/data/clean.c
core_libhone_la_SOURCES += core/data/csv.c
core_libhone_la_SOURCES += core/data/data.c
core_libhone_la_SOURCES += core/data/data.h
core_libhone_la_SOURCES += core/data/encode.c
core_libhone_la_SOURCES += core/data/format.c
core_libhone_la_SOURCES += core/data/jsonl.c
core_libhone_la_SOURCES += core/data/load.c
core_libhone_la_SOURCES += core/data/load.h
core_libhone_la_SOURCES += core/data/normal.c
core_libhone_la_SOURCES += core/data/normal.h
core_libhone_la_SOURCES += core/data/parts.h
core_libhone_la_SOURCES += core/data/plan.c
core_libhone_la_SOURCES += core/data/reader.c
core_libhone_la_SOURCES += core/data/reader.h
core_libhone_la_SOURCES += core/data/render.c
core_libhone_la_SOURCES += core/data/render.h
core_libhone_la_SOURCES += core/data/split.c
core_libhone_la_SOURCES += core/data/text.c
core_libhone_la_SOURCES += core/error.c
core_libhone_la_SOURCES += core/file.c
core_libhone_la_SOURCES += core/file.h
core_libhone_la_SOURCES += core/gemm.c
core_libhone_la_SOURCES += core/graph.c
core_libhone_la_SOURCES += core/graph.h
core_libhone_la_SOURCES += core/judgement.c
core_libhone_la_SOURCES += core/judgement.h
core_libhone_la_SOURCES += core/judgement_rows.c
core_libhone_la_SOURCES += core/kernels/kernels.h
core_libhone_la_SOURCES += core/map.c
core_libhone_la_SOURCES += core/map.h
core_libhone_la_SOURCES += core/memory.c
core_libhone_la_SOURCES += core/metric.c
core_libhone_la_SOURCES += core/names.c
core_libhone_la_SOURCES += core/names.h
core_libhone_la_SOURCES += core/optimizer.c
core_libhone_la_SOURCES += core/optimizer.h
core_libhone_la_SOURCES += core/optimizer_state.c
core_libhone_la_SOURCES += core/param.h
core_libhone_la_SOURCES += core/params.c
core_libhone_la_SOURCES += core/pool.c
core_libhone_la_SOURCES += core/pool.h
core_libhone_la_SOURCES += core/quality.c
core_libhone_la_SOURCES += core/random.c
core_libhone_la_SOURCES += core/safetensors.c
core_libhone_la_SOURCES += core/safetensors.h
core_libhone_la_SOURCES += core/safetensors_convert.c
core_libhone_la_SOURCES += core/safetensors_write.c
core_libhone_la_SOURCES += core/sample.c
core_libhone_la_SOURCES += core/sha256.c
core_libhone_la_SOURCES += core/sha256.h
core_libhone_la_SOURCES += core/statistics.c
core_libhone_la_SOURCES += core/tensor.c
core_libhone_la_SOURCES += core/tensor.h
core_libhone_la_SOURCES += core/text.c
core_libhone_la_SOURCES += core/text.h
core_libhone_la_SOURCES += core/tokenizer.c

# Kernels, each table compiled for its processor; core/ chooses one at run time.
KERNEL_CFLAGS = $(AM_CFLAGS) $(OPTIMIZE_KERNELS) -fno-math-errno -fno-trapping-math

#noinst_LTLIBRARIES += core/kernels/libgeneric.la
#core_libhone_la_LIBADD += core/kernels/libgeneric.la
#core_kernels_libgeneric_la_SOURCES = core/kernels/generic.c
#core_kernels_libgeneric_la_CPPFLAGS = $(CORE_CPPFLAGS)
#core_kernels_libgeneric_la_CFLAGS = $(KERNEL_CFLAGS)
#core_kernels_libgeneric_la_LDFLAGS =

#if X86_64
#noinst_LTLIBRARIES += core/kernels/libavx2.la core/kernels/libavx512.la
#core_libhone_la_LIBADD += core/kernels/libavx2.la core/kernels/libavx512.la
#endif
#core_kernels_libavx2_la_SOURCES = core/kernels/avx2.c
#core_kernels_libavx2_la_CPPFLAGS = $(CORE_CPPFLAGS)
#core_kernels_libavx2_la_CFLAGS = $(KERNEL_CFLAGS) $(AVX2_CFLAGS)
#core_kernels_libavx2_la_LDFLAGS =
#core_kernels_libavx512_la_SOURCES = core/kernels/avx512.c
#core_kernels_libavx512_la_CPPFLAGS = $(CORE_CPPFLAGS)
#core_kernels_libavx512_la_CFLAGS = $(KERNEL_CFLAGS) $(AVX512_CFLAGS)
#core_kernels_libavx512_la_LDFLAGS =
