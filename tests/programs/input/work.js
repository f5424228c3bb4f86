// What quickjs_main.c runs: the language from closures to async generators, its library, and some long computations.
"use strict";
let lines = 0;
const say = (...values) => print(++lines, ...values.map((v) => (typeof v === "object" && v !== null ? JSON.stringify(v) : String(v))));

// Numbers in all ways to write them, and back.
say(0.1 + 0.2, 1e21, 1e-7, -0, 1 / -0, 5e-324, 1.7976931348623157e308, 123456789.123456789, 2 ** 53 + 2);
say((255).toString(16), (0.1).toString(3), (1e21).toString(7), (1234.5678).toFixed(2), (0.00001234).toExponential(3), (12345.6789).toPrecision(6));
say(parseInt("12px"), parseFloat("1e3x"), Number("0x1f"), Number(""), Number("1 2"), +[], +{}, NaN === NaN, Object.is(-0, 0));
say(7 >>> 1, -7 >> 1, -7 >>> 28, ~5, 2 ** 31 | 0, Math.imul(0x7fffffff, 3), Math.clz32(1000), Math.fround(5.05), Math.hypot(3, 4));
say(2n ** 200n, -(7n ** 77n) / 12345678901234567890n, BigInt.asIntN(64, 2n ** 63n), (2n ** 64n).toString(36), 10n ** 30n % 97n, -5n >> 1n);

// A sieve in a typed array, a sort with a comparison, a big factorial.
function sieve(n) {
  const composite = new Uint8Array(n + 1);
  let count = 0, last = 0;
  for (let i = 2; i <= n; i++) {
    if (composite[i]) continue;
    count++;
    last = i;
    for (let j = i * i; j <= n; j += i) composite[j] = 1;
  }
  return [count, last];
}
say(sieve(300000));
let seed = 12345;
const random = () => (seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff);
const numbers = Array.from({ length: 5000 }, random);
const sorted = numbers.slice().sort((a, b) => a - b);
say(sorted[0], sorted[2500], sorted[4999], numbers.sort()[0], numbers.toSorted((a, b) => b - a)[1]);
const factorial = (n) => (n < 2n ? 1n : n * factorial(n - 1n));
say(factorial(120n));

// Errors, finally, labels, destructuring, getters, private fields, symbols, proxies.
function nested(n) {
  try {
    if (n === 0) throw new RangeError("bottom");
    return nested(n - 1);
  } catch (e) {
    if (n % 3 === 0) throw new Error("level " + n, { cause: e });
    throw e;
  } finally {
    nested.count = (nested.count || 0) + 1;
  }
}
try { nested(10); } catch (e) { say(e.message, e.cause.message, e.cause.cause.cause.message, nested.count); }
const attempt = (f) => { try { return f(); } catch (e) { return e.name + ": " + e.message; } };
say(attempt(() => null.x), attempt(() => undefinedName), attempt(() => eval("1 +")), attempt(() => new Array(-1)), attempt(() => 1n + 1));
// No endless recursion: QuickJS has no limit for it on this system.
say(attempt(() => JSON.parse('{"a":}')), attempt(() => "x".repeat(-1)));
class Shape {
  #sides; static made = 0;
  constructor(sides) { this.#sides = sides; Shape.made++; }
  get sides() { return this.#sides; }
  set sides(n) { if (n < 3) throw new TypeError("too few"); this.#sides = n; }
  static { this.kind = "shape"; }
  [Symbol.toPrimitive](hint) { return hint === "number" ? this.#sides : `${Shape.kind}/${this.#sides}`; }
  *[Symbol.iterator]() { for (let i = 0; i < this.#sides; i++) yield i * i; }
}
class Square extends Shape { constructor() { super(4); } get area() { return super.sides ** 2; } }
const square = new Square();
say(`${square}`, +square, [...square], square.area, attempt(() => { square.sides = 1; }), Shape.made, square instanceof Shape);
const { a = 1, b: { c: [, second], ...rest }, ...others } = { b: { c: [1, 2, 3], d: 4, e: 5 }, f: 6 };
say(a, second, rest, others, others?.g?.h ?? "none", (() => { let x = null; x ??= 5; x ||= 6; x &&= 7; return x; })());
outer: for (let i = 0; i < 5; i++) { for (let j = 0; j < 5; j++) { if (j === 3) continue outer; if (i === 3) break outer; if (i * j === 4) say("found", i, j); } }
const seen = [];
const proxy = new Proxy({ x: 1 }, { get: (t, k) => (seen.push("get " + String(k)), t[k]), has: (t, k) => (seen.push("has " + k), k in t), deleteProperty: (t, k) => (seen.push("delete " + k), delete t[k]) });
say(proxy.x, "x" in proxy, delete proxy.x, proxy.x, seen);
const tagged = (parts, ...values) => parts.raw.join("|") + values.join(",");
say(tagged`a${1}\n${2}z`, [3, [4, [5, [6]]]].flat(Infinity), Object.groupBy([1, 2, 3, 4], (n) => (n % 2 ? "odd" : "even")));

// Regular expressions, strings and Unicode.
const log = '10.0.0.1 - - [12/Mar/2024:10:00:01] "GET /index.html?x=1&y=2 HTTP/1.1" 200 512';
const parsed = /^(?<ip>[\d.]+) .*?\[(?<day>\d+)\/(?<month>\w+)\/(?<year>\d{4}):(?<time>[^\]]+)\] "(?<method>\w+) (?<path>[^ ?]+)\??(?<query>\S*)/.exec(log).groups;
say({ ...parsed });
say("aBc-dEf".replace(/(?<=-)(\w)(\w)/g, (m, p, q) => q + p), "x1y22z333".match(/\d+/g), "a,b;c d".split(/[,; ]/), /(a+)+b/.test("a".repeat(18)), "abcabc".replaceAll("bc", "$&$&"));
say([..."n\u0303ñ😀"].length, "ñ" === "n\u0303".normalize(), "straße".toUpperCase(), "İ".toLowerCase().length, /\p{Script=Greek}+/u.exec("abc λόγος x")[0], "😀".codePointAt(0), encodeURIComponent("ü €/😀"));
let text = "";
for (let i = 0; i < 20000; i++) text += String.fromCharCode(97 + (i * i) % 26);
let hash = 0;
for (let i = 0; i < text.length; i++) hash = (Math.imul(hash, 31) + text.charCodeAt(i)) | 0;
say(text.length, hash, text.lastIndexOf("za"), text.slice(100, 110));

// Maps, sets, weak references' keys, dates, JSON, typed arrays of all kinds.
const frequency = new Map();
for (const c of text.slice(0, 3000)) frequency.set(c, (frequency.get(c) ?? 0) + 1);
say([...frequency].sort(([x], [y]) => (x < y ? -1 : 1)).map(([k, v]) => k + v).join(" "));
say([...new Set([3, 1, 3, 2]).union(new Set([9]))], new Date(Date.UTC(2024, 1, 29, 12, 34, 56, 789)).toISOString(), Date.parse("2000-01-01T00:00:00Z"));
const tree = { list: Array.from({ length: 50 }, (_, i) => ({ id: i, text: "é\n\"" + i, deep: { n: [i / 3, null, true] } })) };
const json = JSON.stringify(tree);
say(json.length, JSON.stringify(JSON.parse(json)) === json, JSON.stringify({ k: [1, { z: undefined, y: () => 1 }] }, null, 1).length);
const buffer = new ArrayBuffer(16), view = new DataView(buffer);
view.setFloat64(0, Math.PI); view.setInt16(8, -2, true); view.setFloat32(10, 1.5); view.setUint16(14, 65535);
say([...new Uint8Array(buffer)], [...new Int8Array(buffer, 8, 3)], [...new Uint8ClampedArray([300, -5, 1.5, 2.5])], new BigUint64Array(buffer)[0]);

// Generators, promises, async iteration.
function* fibonacci() { let [x, y] = [0, 1]; try { for (;;) { yield x; [x, y] = [y, x + y]; } } finally { say("closed"); } }
const taken = [];
for (const n of fibonacci()) { if (n > 500) break; taken.push(n); }
say(taken, fibonacci().filter((n) => n % 2).map((n) => n * n).take(5).toArray());
const order = [];
async function* countdown(n) { while (n) { await null; yield n--; } }
(async () => {
  order.push("start");
  for await (const n of countdown(3)) order.push(n);
  const results = await Promise.allSettled([1, Promise.reject(new Error("no")), new Promise((r) => r(3))]);
  order.push(results.map((r) => r.status));
  try { await Promise.any([Promise.reject(1), Promise.reject(2)]); } catch (e) { order.push(e.constructor.name, e.errors); }
})().finally(() => say("async", order));
Promise.resolve().then(() => order.push("micro")).then(() => { throw new Error("later"); }).catch((e) => order.push(e.message));

// Longer: n bodies, with floats that must agree in the last bit; a small interpreter; the collector.
const bodies = [[0, 0, 0, 0, 0, 0, 39.47], [4.84, -1.16, -0.1, 0.6, 2.8, -0.02, 0.037], [8.34, 4.12, -0.4, -1.01, 1.82, 0.008, 0.011], [12.89, -15.11, -0.22, 1.08, 0.86, -0.01, 0.0017]];
for (let step = 0; step < 3000; step++) {
  for (let i = 0; i < bodies.length; i++) for (let j = i + 1; j < bodies.length; j++) {
    const p = bodies[i], q = bodies[j], dx = p[0] - q[0], dy = p[1] - q[1], dz = p[2] - q[2], d2 = dx * dx + dy * dy + dz * dz, mag = 0.01 / (d2 * Math.sqrt(d2));
    for (const [k, d] of [[3, dx], [4, dy], [5, dz]]) { p[k] -= d * q[6] * mag; q[k] += d * p[6] * mag; }
  }
  for (const p of bodies) for (let k = 0; k < 3; k++) p[k] += 0.01 * p[k + 3];
}
say(bodies.map((p) => p[0]), bodies[3][2]);
const program = "++++++++[>++++[>++>+++>+++>+<<<<-]>+>+>->>+[<]<-]>>.>---.+++++++..+++.>>.<-.<.+++.------.--------.>>+.";
function interpret(code) {
  const cells = new Uint8Array(100), stack = [], jump = [];
  for (let i = 0; i < code.length; i++) { if (code[i] === "[") stack.push(i); if (code[i] === "]") { const s = stack.pop(); jump[s] = i; jump[i] = s; } }
  let out = "", at = 0;
  for (let pc = 0; pc < code.length; pc++) switch (code[pc]) {
    case ">": at++; break; case "<": at--; break; case "+": cells[at]++; break; case "-": cells[at]--; break;
    case ".": out += String.fromCharCode(cells[at]); break;
    case "[": if (!cells[at]) pc = jump[pc]; break; case "]": if (cells[at]) pc = jump[pc]; break;
  }
  return out;
}
say(interpret(program));
let garbage = null;
for (let i = 0; i < 40000; i++) { const node = { i, prev: i % 50 ? garbage : null }; node.self = node; garbage = node; }
say(garbage.i, garbage.prev.prev.i, new Function("x", "return x * 2")(21), (0, eval)("typeof module"), [1, 2, 3].at(-1), structuredCloneIsMissing());
function structuredCloneIsMissing() { return typeof structuredClone; }
