// test.cpp: host functions of C++ over plain memory.
#include <cstdio>
#include <cstring>
#include <lucet.hpp>
#include <lucet/testing.h>

static int32_t count(lucet::call &call, uint32_t address, uint32_t length) {
  int32_t letters = 0;
  for (uint8_t byte : call.bytes(address, length))
    letters += byte == 'l';
  if (letters == 0) call.trap();
  return letters;
}

int main() {
  int failures = 0;
  lucet_testing *test = lucet_testing_new(16, nullptr, nullptr);
  std::memcpy(lucet_testing_memory(test), "hello", 5);
  lucet::call call(lucet_testing_call(test));
  failures += count(call, 0, 5) != 2;
  failures += lucet_testing_finish(test).kind != LUCET_RETURNED;
  lucet::call second(lucet_testing_call(test));
  failures += count(second, 5, 11) != 0;
  failures += lucet_testing_finish(test).detail != LUCET_TRAP_HOST_ARGUMENT;
  lucet::call third(lucet_testing_call(test));
  try {
    count(third, 5, 12);
    failures++;
  } catch (const lucet::guest_fault &fault) { failures += fault.status() != LUCET_OUT_OF_BOUNDS; }
  lucet_testing_free(test);
  std::printf("%d failures\n", failures);
  return failures != 0;
}
