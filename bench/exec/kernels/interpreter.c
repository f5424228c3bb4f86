/* interpreter.c: a stack machine with a switch, running a small program: br_table, and state in memory. */
#include "kernel.h"

enum op {
  PUSH,
  ADD,
  SUB,
  MUL,
  XOR,
  LOAD,
  STORE,
  LESS,
  JUMP,
  JUMP_IF,
  DUPLICATE,
  SWAP,
  DROP,
  SHIFT,
  CALL,
  RETURN,
  HALT
};
struct instruction {
  uint8_t op;
  int32_t operand;
};

/* for (i = 0; i < limit; i++) sum = f(sum ^ i); f(x) = (x * 31 + 7) ^ (x >> 3) */
static const struct instruction program[] = {
    {PUSH, 0},  {STORE, 0}, {PUSH, 1},  {STORE, 1}, /* i, sum */
    {LOAD, 0},  {LOAD, 2},  {LESS, 0},  {JUMP_IF, 9}, {HALT, 0}, {LOAD, 1},  {LOAD, 0}, {XOR, 0},
    {CALL, 19}, {STORE, 1}, {LOAD, 0},  {PUSH, 1},    {ADD, 0},  {STORE, 0}, {JUMP, 4}, {DUPLICATE, 0},
    {SHIFT, 3}, {SWAP, 0},  {PUSH, 31}, {MUL, 0},     {PUSH, 7}, {ADD, 0},   {XOR, 0},  {RETURN, 0},
};

struct machine {
  uint32_t stack[64], variables[8];
  uint32_t returns[16];
};
static struct machine machine;

static uint32_t execute(struct machine *self, const struct instruction *code, uint32_t limit) {
  uint32_t *top = self->stack, *back = self->returns, at = 0, kept;
  self->variables[2] = limit;
  for (;;) {
    struct instruction now = code[at++];
    switch ((enum op)now.op) {
    case PUSH:
      *++top = (uint32_t)now.operand;
      break;
    case ADD:
      top--, *top += top[1];
      break;
    case SUB:
      top--, *top -= top[1];
      break;
    case MUL:
      top--, *top *= top[1];
      break;
    case XOR:
      top--, *top ^= top[1];
      break;
    case LOAD:
      *++top = self->variables[now.operand];
      break;
    case STORE:
      self->variables[now.operand] = *top--;
      break;
    case LESS:
      top--, *top = *top < top[1];
      break;
    case JUMP:
      at = (uint32_t)now.operand;
      break;
    case JUMP_IF:
      at = *top-- ? (uint32_t)now.operand : at;
      break;
    case DUPLICATE:
      top++, *top = top[-1];
      break;
    case SWAP:
      kept = *top, *top = top[-1], top[-1] = kept;
      break;
    case DROP:
      top--;
      break;
    case SHIFT:
      *top >>= now.operand;
      break;
    case CALL:
      *++back = at, at = (uint32_t)now.operand;
      break;
    case RETURN:
      at = *back--;
      break;
    case HALT:
      return self->variables[1];
    }
  }
}

KERNEL uint32_t run(uint32_t rounds) {
  uint32_t sum = 0;
  const struct instruction *volatile code = program; /* or the compiler could run it itself */
  while (rounds--)
    sum = mix(sum, execute(&machine, code, 50000));
  return sum;
}
