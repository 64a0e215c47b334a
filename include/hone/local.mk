# The contract: every header here is public and compiles alone.
honeincludedir = $(includedir)/hone
honeinclude_HEADERS =
