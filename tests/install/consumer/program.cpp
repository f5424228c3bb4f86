// program.cpp: program.c as C++.
#include "program.c"
