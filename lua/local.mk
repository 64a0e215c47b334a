# The library of Lua modules, installed as hone/*.lua. Add a file as a line of its own, sorted.
luadatadir = $(datadir)/hone
nobase_dist_luadata_DATA =

# The C binding, require "hone.core". It finds Lua's functions in the program that loads it.
luamoduledir = $(luacdir)/hone
luamodule_LTLIBRARIES = lua/bind/core.la
lua_bind_core_la_CPPFLAGS = $(AM_CPPFLAGS) $(LUA_CFLAGS) $(JANSSON_CFLAGS)
lua_bind_core_la_LDFLAGS = $(SANITIZERS) -module -avoid-version -shared
lua_bind_core_la_LIBADD = core/libhone.la $(JANSSON_LIBS)
lua_bind_core_la_SOURCES =
lua_bind_core_la_SOURCES += lua/bind/batch.c
lua_bind_core_la_SOURCES += lua/bind/bind.h
lua_bind_core_la_SOURCES += lua/bind/context.c
lua_bind_core_la_SOURCES += lua/bind/core.c
lua_bind_core_la_SOURCES += lua/bind/data.c
lua_bind_core_la_SOURCES += lua/bind/define.c
lua_bind_core_la_SOURCES += lua/bind/examples.c
lua_bind_core_la_SOURCES += lua/bind/generate.c
lua_bind_core_la_SOURCES += lua/bind/graph.c
lua_bind_core_la_SOURCES += lua/bind/json.c
lua_bind_core_la_SOURCES += lua/bind/judgement.c
lua_bind_core_la_SOURCES += lua/bind/loss.c
lua_bind_core_la_SOURCES += lua/bind/metric.c
lua_bind_core_la_SOURCES += lua/bind/model.c
lua_bind_core_la_SOURCES += lua/bind/ops.c
lua_bind_core_la_SOURCES += lua/bind/optimizer.c
lua_bind_core_la_SOURCES += lua/bind/plugin.c
lua_bind_core_la_SOURCES += lua/bind/random.c
lua_bind_core_la_SOURCES += lua/bind/safetensors.c
lua_bind_core_la_SOURCES += lua/bind/sample.c
lua_bind_core_la_SOURCES += lua/bind/system.c
lua_bind_core_la_SOURCES += lua/bind/tensor.c
lua_bind_core_la_SOURCES += lua/bind/tokenizer.c

# The program. It exports Lua's functions to the modules that it loads.
bin_PROGRAMS += hone
hone_CPPFLAGS = $(AM_CPPFLAGS) $(PATHS) $(LUA_CFLAGS)
hone_LDFLAGS = $(SANITIZERS) -export-dynamic
hone_LDADD = core/libhone.la $(LUA_LIBS)
hone_SOURCES = lua/main.c
