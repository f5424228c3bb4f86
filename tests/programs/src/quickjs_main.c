/* quickjs_main.c: runs the JavaScript program on standard input, with a function print(); then the jobs that
 * its promises have left. An exception that it does not handle is printed and gives the exit status 1. */
#include <quickjs.h>

#include "read_all.h"

static JSValue print(JSContext *context, JSValueConst self, int count, JSValueConst *arguments) {
  (void)self;
  for (int i = 0; i < count; i++) {
    const char *text = JS_ToCString(context, arguments[i]);
    if (!text) return JS_EXCEPTION;
    printf(i ? " %s" : "%s", text);
    JS_FreeCString(context, text);
  }
  putchar('\n');
  return JS_UNDEFINED;
}

static int failed(JSContext *context) {
  JSValue exception = JS_GetException(context);
  const char *text = JS_ToCString(context, exception);
  printf("exception: %s\n", text ? text : "?");
  return 1;
}

int main(void) {
  size_t length;
  const char *text = read_all(&length);
  JSRuntime *runtime = JS_NewRuntime();
  JSContext *context = runtime ? JS_NewContext(runtime) : NULL, *other;
  if (!context) return 3;
  JS_SetMaxStackSize(runtime, 512 * 1024);
  JSValue global = JS_GetGlobalObject(context);
  JS_SetPropertyStr(context, global, "print", JS_NewCFunction(context, print, "print", 1));
  JS_FreeValue(context, global);
  JSValue result = JS_Eval(context, text, length, "stdin", JS_EVAL_TYPE_GLOBAL);
  if (JS_IsException(result)) return failed(context);
  JS_FreeValue(context, result);
  for (int more = 1; more > 0;) {
    more = JS_ExecutePendingJob(runtime, &other);
    if (more < 0) return failed(other);
  }
  JS_FreeContext(context);
  JS_FreeRuntime(runtime);
  return 0;
}
