-- What sqlite_main.c runs: most of what SQLite has, on enough rows to use its trees, its sorter and its journal.
PRAGMA page_size = 1024;
PRAGMA cache_size = 40;
CREATE TABLE item(id INTEGER PRIMARY KEY, name TEXT NOT NULL, kind TEXT, price REAL, stock INT, note BLOB);
CREATE TABLE sale(id INTEGER PRIMARY KEY, item INT REFERENCES item(id), day TEXT, amount INT CHECK(amount > 0));
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
INSERT INTO item SELECT i, printf('item %04d %s', i, substr('abcdefghijklmnopqrstuvwxyz', i % 20 + 1, 5)),
  CASE i % 7 WHEN 0 THEN 'tool' WHEN 1 THEN 'food' WHEN 2 THEN NULL ELSE 'book' END,
  round((i * 7919 % 10007) / 13.0, 2), i * 31 % 97, zeroblob(i % 40) FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
INSERT INTO sale SELECT i, i * 7907 % 3000 + 1, date('2020-01-01', (i * 13 % 1461) || ' days'), i * 17 % 9 + 1 FROM n;
CREATE INDEX sale_item ON sale(item, day);
CREATE INDEX sale_day ON sale(day) WHERE amount > 4;
CREATE INDEX item_expression ON item(lower(kind), price DESC);
ANALYZE;
SELECT count(*), sum(amount), min(day), max(day), avg(amount) FROM sale;
SELECT kind, count(*), round(sum(price), 2), max(name), group_concat(DISTINCT stock % 5) FROM item GROUP BY kind ORDER BY kind;
SELECT item.name, sum(amount * price) AS worth FROM item JOIN sale ON sale.item = item.id
  WHERE kind = 'book' AND day BETWEEN '2021-03-01' AND '2021-09-30' GROUP BY item.id ORDER BY worth DESC, name LIMIT 15;
SELECT name FROM item WHERE id NOT IN (SELECT item FROM sale) ORDER BY id LIMIT 5;
SELECT strftime('%Y-%m', day) AS month, sum(amount), sum(sum(amount)) OVER (ORDER BY strftime('%Y-%m', day))
  FROM sale GROUP BY month ORDER BY month LIMIT 24;
SELECT kind, name, price, rank() OVER w, dense_rank() OVER w, lag(price, 1, 0) OVER w, ntile(4) OVER w,
  round(avg(price) OVER (PARTITION BY kind ORDER BY price ROWS BETWEEN 3 PRECEDING AND 1 FOLLOWING), 4)
  FROM item WHERE id < 40 WINDOW w AS (PARTITION BY kind ORDER BY price) ORDER BY kind, price, id;
SELECT name FROM item WHERE name LIKE '%xyz%' UNION SELECT name FROM item WHERE name GLOB 'item 00[0-3]* ?bcde'
  EXCEPT SELECT name FROM item WHERE id % 3 = 0 ORDER BY 1 LIMIT 12;
EXPLAIN QUERY PLAN SELECT * FROM sale WHERE item = 5 AND day > '2021';
-- Transactions, savepoints, triggers, constraints.
CREATE TABLE log(what TEXT, id INT, old, new);
CREATE TRIGGER changed AFTER UPDATE OF price ON item BEGIN
  INSERT INTO log VALUES('price', old.id, old.price, new.price);
END;
BEGIN;
UPDATE item SET price = price * 1.1 WHERE kind = 'tool';
SAVEPOINT inner_one;
DELETE FROM sale WHERE amount = 3;
SELECT changes(), count(*) FROM sale;
ROLLBACK TO inner_one;
SELECT count(*) FROM sale;
COMMIT;
SELECT count(*), round(sum(old), 4), round(sum(new), 4) FROM log;
BEGIN;
DELETE FROM item WHERE id > 100;
UPDATE sale SET amount = amount + 100;
ROLLBACK;
SELECT count(*), sum(amount) FROM sale, (SELECT count(*) FROM item);
INSERT INTO sale VALUES(1, 1, '2020-01-01', 1);
INSERT INTO sale VALUES(NULL, 1, '2020-01-01', 0);
INSERT INTO item(id, name) VALUES(1, 'again') ON CONFLICT(id) DO UPDATE SET name = excluded.name || ' ' || item.name RETURNING id, name;
SELECT nonsense FROM item;
-- Full text search, R-trees, JSON, dates, numbers.
CREATE VIRTUAL TABLE page USING fts5(title, body, tokenize = 'porter unicode61');
INSERT INTO page SELECT name, replace(hex(id * 7919), '3', ' running ') || ' compiled ' || kind || ' programs' FROM item WHERE kind NOT NULL;
SELECT count(*) FROM page WHERE page MATCH 'run AND book';
SELECT title, snippet(page, 1, '[', ']', '..', 6), round(bm25(page), 6) FROM page WHERE page MATCH 'program NOT tool NEAR(compile food)' ORDER BY bm25(page), rowid LIMIT 5;
INSERT INTO page(page) VALUES('integrity-check');
CREATE VIRTUAL TABLE box USING rtree(id, x0, x1, y0, y1);
INSERT INTO box SELECT id, id * 37 % 500, id * 37 % 500 + 3, id * 91 % 700, id * 91 % 700 + 5 FROM item;
SELECT count(*), sum(id) FROM box WHERE x0 > 100 AND x1 < 160 AND y0 > 200 AND y1 < 300;
SELECT json_extract('{"a":[1,2.5,{"b":"\u00e9x"}]}', '$.a[2].b'), json_group_array(id) FROM item WHERE id < 8;
SELECT key, value, type FROM json_each('{"one":1,"two":[true,null],"three":1e3,"four":"x"}');
SELECT json_patch('{"a":1,"b":{"c":2}}', '{"b":{"c":null,"d":3}}'), json_set('[1,2]', '$[#]', json('{"x":1}'));
SELECT date('2024-02-28', '+2 days', 'start of month', '-1 day'), julianday('2000-01-01 12:00:00'), strftime('%j %W %s', '2023-07-04 05:06:07');
SELECT 1/3, 1/3.0, 7 % -3, -7 / 2, 1e308 * 10, 9223372036854775807 + 1, 0.1 + 0.2, 1e15 + 0.3, 123456789012345678, CAST('12abc' AS INT), CAST(9.99 AS INT);
SELECT printf('%.15g|%08.3f|%+d|%x|%,d|%q', 3.14159265358979, -2.5, 42, 255, 1234567, 'it''s'), round(2.675, 2), abs(-9223372036854775807), hex(x'00ff10'), quote(1.1);
SELECT unicode('é'), char(955, 120), upper('straße'), instr('hello', 'l'), trim('  x '), soundex('Robert'), length('日本語'), like('a%', 'ABC');
WITH RECURSIVE fib(a, b, n) AS (SELECT 0, 1, 1 UNION ALL SELECT b, a + b, n + 1 FROM fib WHERE n < 90) SELECT max(a) FROM fib;
WITH RECURSIVE x(c) AS (VALUES(-2.0) UNION ALL SELECT c + 0.1 FROM x WHERE c < 1.0),
  y(d) AS (VALUES(-1.0) UNION ALL SELECT d + 0.2 FROM y WHERE d < 1.0),
  m(i, cx, cy, a, b) AS (SELECT 0, c, d, 0.0, 0.0 FROM x, y UNION ALL
    SELECT i + 1, cx, cy, a * a - b * b + cx, 2.0 * a * b + cy FROM m WHERE a * a + b * b < 4.0 AND i < 28),
  r(i, cx, cy) AS (SELECT max(i), cx, cy FROM m GROUP BY cx, cy)
  SELECT group_concat(substr(' .+*#', 1 + min(i / 7, 4), 1), '') FROM r GROUP BY cy ORDER BY cy;
DROP INDEX sale_day;
DELETE FROM sale WHERE id % 2;
VACUUM;
PRAGMA integrity_check;
SELECT name, type FROM sqlite_schema ORDER BY name;
