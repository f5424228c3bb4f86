/* wasi.h: enough of wasi_snapshot_preview1 for a program that filters standard input to standard output. */
#ifndef SERVER_WASI_H
#define SERVER_WASI_H

#include <lucet.h>

lucet_status wasi_define(lucet_linker *linker);

#endif
