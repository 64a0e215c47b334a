# The library of Lua modules, installed as hone/*.lua. Add a file as a line of its own, sorted.
luadatadir = $(datadir)/hone
nobase_dist_luadata_DATA =

# The C binding, require "hone.core". It finds Lua's functions in the program that loads it.
luamoduledir = $(luacdir)/hone
luamodule_LTLIBRARIES =
#luamodule_LTLIBRARIES += lua/bind/core.la
#lua_bind_core_la_CPPFLAGS = $(AM_CPPFLAGS) $(LUA_CFLAGS)
#lua_bind_core_la_LDFLAGS = $(SANITIZERS) -module -avoid-version -shared
#lua_bind_core_la_LIBADD = core/libhone.la
#lua_bind_core_la_SOURCES =

# The program.
#bin_PROGRAMS += hone
#hone_CPPFLAGS = $(AM_CPPFLAGS) $(PATHS) $(LUA_CFLAGS)
#hone_LDFLAGS = $(SANITIZERS)
#hone_LDADD = core/libhone.la $(LUA_LIBS)
#hone_SOURCES = lua/main.c
