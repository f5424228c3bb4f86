// modes.hpp: two halves of one program, one compiled with exceptions and one without, that include the same
// lucet.hpp.
#ifndef MODES_HPP
#define MODES_HPP
struct lucet_instance;
int with_exceptions(const char *path);
int without_exceptions(const char *path);
#endif
