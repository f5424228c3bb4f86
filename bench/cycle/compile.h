/* compile.h: see compile.c. */
#ifndef COMPILE_H
#define COMPILE_H
/* Prints "compile": {...} for the modules in the directory. */
void print_compile(const char *directory);
#endif
