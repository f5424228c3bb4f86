-- What lua_main.c runs: the language, its libraries, errors through several levels, coroutines, the collector.
local lines = 0
local function say(...) lines = lines + 1; print(lines, ...) end

-- Numbers: integers that wrap, floats, bits, conversions.
say(7 // 2, -7 // 2, 7 % -3, -7 % 3, 7.5 // 2, 2^53, 1 / 0, -1 / 0, math.maxinteger + 1 == math.mininteger)
say(string.format("%d %5.2f %g %x %q %s %10.4s|", 42, 3.14159, 1e100, 255, 'a "b"\n', true, "truncate"))
say(0x7fffffffffffffff, 1e15, 2^63, math.tointeger(3.0), 3 | 5, 3 ~ 5, ~0, 1 << 62, 1 << 64, "10" + 5, 10 .. "")
say(tonumber("0x1p4"), tonumber("  12  "), tonumber("z", 36), tonumber("1e"), math.type(1), math.type(1.0), math.ult(1, -1))
say(pcall(function() return 1 // 0 end))
say(pcall(function() return 1 % 0 end))

-- Sieve, queens, a sort that calls back, permutations by coroutines.
local function sieve(n)
  local composite, count, last = {}, 0, 0
  for i = 2, n do
    if not composite[i] then
      count, last = count + 1, i
      for j = i * i, n, i do composite[j] = true end
    end
  end
  return count, last
end
say("sieve", sieve(200000))

local function queens(n)
  local columns, up, down, found = {}, {}, {}, 0
  local function place(row)
    if row > n then found = found + 1; return end
    for c = 1, n do
      if not (columns[c] or up[row + c] or down[row - c]) then
        columns[c], up[row + c], down[row - c] = true, true, true
        place(row + 1)
        columns[c], up[row + c], down[row - c] = nil, nil, nil
      end
    end
  end
  place(1)
  return found
end
say("queens", queens(8))

local function permutations(list)
  local function go(n)
    if n <= 1 then coroutine.yield(table.concat(list)) end
    for i = 1, n do
      list[n], list[i] = list[i], list[n]
      go(n - 1)
      list[n], list[i] = list[i], list[n]
    end
  end
  return coroutine.wrap(function() go(#list) end)
end
local all = {}
for p in permutations { "a", "b", "c", "d", "e" } do all[#all + 1] = p end
table.sort(all, function(x, y) return x:reverse() < y:reverse() end)
say("permutations", #all, all[1], all[60], all[120])

-- Errors: of all kinds, rethrown, with tables, in metamethods, in coroutines, closing variables on the way.
local function level(n)
  if n == 0 then error({ code = 7 }) end
  local ok, err = pcall(level, n - 1)
  if n % 2 == 0 then err.code = err.code + n end
  error(err)
end
local ok, err = pcall(level, 12)
say("nested", ok, err.code)
say(pcall(error, "plain"))
say(pcall(error))
say(select("#", pcall(string.rep)), pcall(string.rep, "x", -1))
say(xpcall(function() local t = nil; return t.x end, function(m) return "handled: " .. m end))
local thrown = 0
for i = 1, 3000 do
  local ok, e = pcall(function() if i % 3 == 0 then error(i) end return i end)
  if not ok then thrown = thrown + e end
end
say("thrown", thrown)
do
  local closed = {}
  local function resource(name) return setmetatable({}, { __close = function(_, e) closed[#closed + 1] = name .. ":" .. tostring(e) end }) end
  say(pcall(function()
    local a <close> = resource("a")
    local b <close> = resource("b")
    error("inside", 0)
  end))
  say(table.concat(closed, " "))
end
local co = coroutine.create(function(a, b)
  local ok, e = pcall(function()
    local c = coroutine.yield(a + b)
    error("from " .. c)
  end)
  coroutine.yield(e)
  error({ "table" })
end)
say(coroutine.resume(co, 1, 2))
say(coroutine.resume(co, "outside"))
local ok2, e2 = coroutine.resume(co)
say(ok2, type(e2), e2[1], coroutine.status(co), coroutine.resume(co))
say(pcall(coroutine.wrap(function() error("wrapped", 0) end)))
local function deep(n) return n == 0 and 0 or 1 + deep(n - 1) end
say(deep(15000), (select(2, pcall(function() local function f() return 1 + f() end return f() end)) or ""):match("stack overflow"))
say(load("return 1 +"))
say(load("local x <const> = 1; x = 2"))
say(load("return ...", "chunk", "t", {})(1, 2, 3))

-- Strings: patterns, packing, UTF-8, a tokenizer and a JSON round trip.
local text = ("The quick brown fox jumps over the lazy dog. "):rep(200)
local count = {}
for word in text:gmatch("%a+") do count[word:lower()] = (count[word:lower()] or 0) + 1 end
local words = {}
for w in pairs(count) do words[#words + 1] = w end
table.sort(words)
for i, w in ipairs(words) do words[i] = w .. "=" .. count[w] end
say(table.concat(words, " "))
say(("key = value, other=thing"):gsub("(%w+)%s*=%s*(%w+)", "%2=%1"))
say(("f(a(b)c)d"):match("%b()"), ("  trim  "):match("^%s*(.-)%s*$") .. "|", ("x"):rep(5, ","), ("abc"):byte(1, -1))
say(string.unpack("<i4 >i2 z d", string.pack("<i4 >i2 z d", -5, 258, "zero", 0.5)))
say(utf8.char(72, 228, 8364, 128512), utf8.len("häß€"), #utf8.char(0x7fffffff), utf8.codepoint("€", 1))

local function encode(v)
  local t = type(v)
  if t == "table" then
    local parts = {}
    if #v > 0 then
      for _, x in ipairs(v) do parts[#parts + 1] = encode(x) end
      return "[" .. table.concat(parts, ",") .. "]"
    end
    local keys = {}
    for k in pairs(v) do keys[#keys + 1] = k end
    table.sort(keys)
    for _, k in ipairs(keys) do parts[#parts + 1] = string.format("%q:%s", k, encode(v[k])) end
    return "{" .. table.concat(parts, ",") .. "}"
  end
  return t == "string" and string.format("%q", v) or tostring(v)
end
local function decode(s, at)
  at = s:match("^%s*()", at or 1)
  local c = s:sub(at, at)
  if c == "{" or c == "[" then
    local out = {}
    at = at + 1
    while true do
      at = s:match("^[%s,]*()", at)
      if s:find("^[%]}]", at) then return out, at + 1 end
      if c == "{" then
        local k, v
        k, at = s:match('^"(.-)":()', at)
        v, at = decode(s, at)
        out[k] = v
      else
        out[#out + 1], at = decode(s, at)
      end
    end
  elseif c == '"' then
    return s:match('^"(.-)"()', at)
  end
  local n, after = s:match("^([%w.+-]+)()", at)
  if not n then error("unexpected " .. c .. " at " .. at) end
  if n == "true" or n == "false" then return n == "true", after end
  return assert(tonumber(n), "no number"), after
end
local data = { list = {}, name = "test", nested = { deep = { 1, 2, { x = true } } } }
for i = 1, 300 do data.list[i] = { id = i, half = i / 2, tag = ("t"):rep(i % 5 + 1) } end
local once = encode(data)
local twice = encode(decode(once))
say(#once, once == twice, once:sub(1, 80))
say(pcall(decode, "[1, ?]"))

-- Objects, metamethods, goto, varargs, weak tables and the collector.
local Vector = {}
Vector.__index = Vector
Vector.__add = function(a, b) return setmetatable({ x = a.x + b.x, y = a.y + b.y }, Vector) end
Vector.__eq = function(a, b) return a.x == b.x and a.y == b.y end
Vector.__lt = function(a, b) return a.x < b.x end
Vector.__call = function(self, k) return self[k] end
Vector.__concat = function(a, b) return tostring(a) .. "&" .. tostring(b) end
Vector.__tostring = function(v) return "(" .. v.x .. "," .. v.y .. ")" end
Vector.__len = function() return 2 end
local v = setmetatable({ x = 1, y = 2 }, Vector) + setmetatable({ x = 3, y = 4.5 }, Vector)
say(tostring(v), #v, v("x"), v .. v, v == setmetatable({ x = 4, y = 6.5 }, Vector), v < v)
for i = 1, 3 do
  for j = 1, 3 do
    if j == 2 then goto continue end
    if i == 2 then goto continue end
    say("goto", i, j)
    ::continue::
  end
end
say((function(...) return select("#", ...), select(-1, ...), (table.unpack({ ... }, 2, 3)) end)(nil, "b", "c", nil, 5))
local weak, collected = setmetatable({}, { __mode = "v" }), 0
for i = 1, 2000 do
  weak[i] = setmetatable({ i }, { __gc = function() collected = collected + 1 end })
  if i % 500 == 0 then collectgarbage() end
end
collectgarbage()
say("collected", collected, next(weak), collectgarbage("count") < 20000)
collectgarbage("generational")
local chain
for i = 1, 60000 do chain = { next = i % 100 ~= 0 and chain or nil, i, tostring(i) } end
local total = 0
while chain do total = total + chain[1]; chain = chain.next end
say("chain", total)

-- A matrix product and a spectral norm: floats that must agree in the last bit.
local n, u = 60, {}
local function a(i, j) local s = i + j - 1; return 1 / (s * (s - 1) / 2 + i) end
for i = 1, n do u[i] = 1 end
local function times(f, x)
  local y = {}
  for i = 1, n do
    local sum = 0
    for j = 1, n do sum = sum + f(i, j) * x[j] end
    y[i] = sum
  end
  return y
end
local w
for _ = 1, 10 do
  w = times(function(i, j) return a(j, i) end, times(a, u))
  u = times(function(i, j) return a(j, i) end, times(a, w))
end
local vBv, vv = 0, 0
for i = 1, n do vBv = vBv + u[i] * w[i]; vv = vv + w[i] * w[i] end
say(string.format("%.17g %a", math.sqrt(vBv / vv), vv))
math.randomseed(42)
local sum = 0
for _ = 1, 1000 do sum = sum + math.random(1, 1000000) end
say("random", sum, string.format("%.14g", math.random()))
error("the end, on purpose")
