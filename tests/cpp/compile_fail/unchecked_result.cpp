// Without exceptions there is no linker before the result was asked for it.
// expect-gcc: conversion from|could not convert|invalid initialization
// expect-clang: no viable conversion
#define LUCET_NO_EXCEPTIONS
#include <lucet.hpp>
#ifdef RIGHT
#define TAKE .value()
#else
#define TAKE
#endif
lucet::linker make();
lucet::linker make() { return lucet::linker::make() TAKE; }
